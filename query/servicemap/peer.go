package servicemap

import (
	"net"
	"net/url"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// The types of nodes.
const (
	TypeService  = "service"
	TypeDatabase = "database"
	TypeQueue    = "queue"
	TypeExternal = "external"
	TypeUser     = "user"
)

// The protocols of edges.
const (
	ProtocolHTTP      = "http"
	ProtocolGRPC      = "grpc"
	ProtocolDB        = "db"
	ProtocolMessaging = "messaging"
	ProtocolUnknown   = "unknown"
)

// peer is what a span says of the other end of its call.
type peer struct {
	kind string // a node type, "" for nothing known
	id   string
	// receives is set where messages come from the peer.
	receives bool
}

// Keys of the semantic conventions, the newest name first.
var (
	dbSystemKeys    = []string{"db.system.name", "db.system", "db.type"}
	dbNameKeys      = []string{"db.namespace", "db.name", "db.instance", "db.redis.database_index"}
	destinationKeys = []string{"messaging.destination.name", "messaging.destination", "messaging.kafka.topic", "message_bus.destination"}
	operationKeys   = []string{"messaging.operation.type", "messaging.operation", "messaging.operation.name"}
	addressKeys     = []string{"server.address", "net.peer.name", "peer.hostname", "network.peer.address", "net.sock.peer.addr", "net.peer.ip", "peer.address"}
	urlKeys         = []string{"url.full", "http.url"}
	hostKeys        = []string{"http.host", "rpc.service"}
)

func first(a telemetry.Attrs, keys []string) string {
	for _, k := range keys {
		if v := a.Text(k); v != "" {
			return v
		}
	}
	return ""
}

// peerOf reads the other end from a span's attributes.
func peerOf(s *telemetry.Span) peer {
	a := s.Attrs
	if system := a.Text("messaging.system"); system != "" {
		return peer{TypeQueue, join(system, ":", first(a, destinationKeys)), receives(s)}
	}
	if s.Kind == telemetry.SpanKindProducer || s.Kind == telemetry.SpanKindConsumer {
		if dest := first(a, destinationKeys); dest != "" {
			return peer{TypeQueue, "messaging:" + dest, receives(s)}
		}
		return peer{}
	}
	address := addressOf(a)
	if system := first(a, dbSystemKeys); system != "" {
		return peer{TypeDatabase, join(system, ":", join(address, "/", first(a, dbNameKeys))), false}
	}
	if name := a.Text("peer.service"); name != "" {
		return peer{TypeExternal, name, false}
	}
	if address != "" {
		return peer{TypeExternal, address, false}
	}
	return peer{}
}

// join puts sep between a and b where there are both.
func join(a, sep, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + sep + b
}

// addressOf returns the host that was called, without its port.
func addressOf(a telemetry.Attrs) string {
	if v := first(a, addressKeys); v != "" {
		return withoutPort(v)
	}
	if v := first(a, urlKeys); v != "" {
		if u, err := url.Parse(v); err == nil && u.Hostname() != "" {
			return u.Hostname()
		}
	}
	return withoutPort(first(a, hostKeys))
}

func withoutPort(host string) string {
	if strings.Count(host, ":") == 1 || strings.HasPrefix(host, "[") {
		if h, _, err := net.SplitHostPort(host); err == nil {
			return h
		}
	}
	return host
}

// receives reports whether a messaging span takes messages rather than sends
// them.
func receives(s *telemetry.Span) bool {
	switch strings.ToLower(first(s.Attrs, operationKeys)) {
	case "receive", "process", "deliver", "poll", "consume":
		return true
	case "publish", "send", "create":
		return false
	}
	return s.Kind == telemetry.SpanKindConsumer
}

// protocolOf returns how a span's call was made.
func protocolOf(s *telemetry.Span) string {
	a := s.Attrs
	for i := range a {
		switch key := a[i].Key; {
		case key == "rpc.system" || key == "rpc.system.name":
			return strings.ToLower(a[i].Value.Text())
		case key == "messaging.system" || key == "messaging.destination.name":
			return ProtocolMessaging
		case key == "db.system" || key == "db.system.name" || key == "db.type":
			return ProtocolDB
		}
	}
	for i := range a {
		if strings.HasPrefix(a[i].Key, "http.") || strings.HasPrefix(a[i].Key, "url.") {
			return ProtocolHTTP
		}
	}
	if s.Kind == telemetry.SpanKindProducer || s.Kind == telemetry.SpanKindConsumer {
		return ProtocolMessaging
	}
	return ProtocolUnknown
}
