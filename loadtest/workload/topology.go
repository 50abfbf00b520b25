package workload

import "time"

// Protocol is how one node calls another, in the words of the service map.
type Protocol string

// The protocols.
const (
	HTTP      Protocol = "http"
	GRPC      Protocol = "grpc"
	DB        Protocol = "db"
	Messaging Protocol = "messaging"
)

// Service is one of the shop's services.
type Service struct {
	Name     string
	Version  string
	Language string
	format   logFormat
}

// Services are the shop's services. Spans and logs name them by index.
var Services = []Service{
	{"gateway", "1.27.3", "cpp", nginxAccess},
	{"checkout", "4.2.0", "go", logfmtLines},
	{"cart", "2.9.1", "nodejs", jsonLines},
	{"payment", "3.1.4", "java", springLines},
	{"orders", "4.2.0", "go", logfmtLines},
	{"inventory", "0.18.2", "python", pythonLines},
	{"shipping", "1.4.7", "python", pythonLines},
	{"users", "6.0.2", "java", springLines},
	{"catalog", "2.31.0", "nodejs", jsonLines},
	{"search", "5.5.1", "go", logfmtLines},
	{"recommendations", "0.9.0", "python", pythonLines},
	{"notifications", "2.2.2", "nodejs", jsonLines},
}

// The hosts behind the services.
const (
	ordersDB     = "orders-db.shop.internal"
	catalogDB    = "catalog-db.shop.internal"
	redisHost    = "redis.shop.internal"
	kafkaTopic   = "orders.placed"
	providerHost = "api.payments.example"
)

// endpoint is something that a service does when it is called.
type endpoint struct {
	service  string
	protocol Protocol // how it is called
	method   string   // HTTP method, or gRPC service
	route    string   // HTTP route, or gRPC method, or topic
	work     time.Duration
	message  string // what the service logs when it is done
	steps    []step
}

// action is what a step does.
type action uint8

const (
	call      action = iota // calls the endpoint named by target
	sqlQuery                // sends a statement to PostgreSQL
	redisCmd                // sends a command to Redis
	publish                 // publishes the order
	callOut                 // calls the payment provider
	logDetail               // writes a line
)

// step is one thing an endpoint does on its way.
type step struct {
	action  action
	target  string        // endpoint, statement, command or message
	host    string        // of a database
	db      string        // of a database
	took    time.Duration // typical time of what is not an endpoint
	chance  float64       // that it happens at all; 0 means always
	fails   float64       // that it fails
	failure *failure      // and how
	// retried steps that fail are tried once more and then succeed; optional
	// ones may fail without failing the endpoint.
	retried, optional bool
}

// failure is how something fails.
type failure struct {
	kind, message string
	grpc          int64 // status code
}

var (
	deadlock    = &failure{"org.postgresql.util.PSQLException", "ERROR: deadlock detected", 13}
	tooManyConn = &failure{"psycopg2.OperationalError", "FATAL: sorry, too many clients already", 14}
	provider503 = &failure{"com.shop.payment.ProviderUnavailableException", "payment provider answered 503", 14}
	redisDown   = &failure{"redis.exceptions.ConnectionError", "Error 111 connecting to redis: connection refused", 14}
)

// scenario is a kind of customer request.
type scenario struct {
	name   string
	weight float64
	root   string
}

var scenarios = []scenario{
	{"browse", 34, "gateway/products"},
	{"search", 20, "gateway/search"},
	{"login", 10, "gateway/login"},
	{"add to cart", 14, "gateway/cart"},
	{"checkout", 14, "gateway/checkout"},
	{"order status", 8, "gateway/order"},
}

// consumers take what is published: notifications go on in the trace of the
// order, shipping begins one of its own with a link back.
var consumers = []struct {
	endpoint string
	ownTrace bool
}{
	{"notifications/order placed", false},
	{"shipping/order placed", true},
}

// NodeOfDatabase is the map's id of a database.
func NodeOfDatabase(system, host, name string) string { return system + ":" + host + "/" + name }

// NodeOfQueue is the map's id of a queue.
func NodeOfQueue(system, destination string) string { return system + ":" + destination }

// ServiceIndex returns the index of a service by its name, -1 for none.
func ServiceIndex(name string) int {
	for i, s := range Services {
		if s.Name == name {
			return i
		}
	}
	return -1
}
