package workload

import "time"

const (
	µs = time.Microsecond
	ms = time.Millisecond
)

// endpoints are all that the services can do, by the name that steps use.
var endpoints = map[string]*endpoint{
	"gateway/products": {"gateway", HTTP, "GET", "/api/products", 1 * ms, "", []step{
		{action: call, target: "catalog/list"},
		{action: call, target: "recommendations/for user", chance: .6, optional: true},
	}},
	"gateway/search": {"gateway", HTTP, "GET", "/api/search", 1 * ms, "", []step{
		{action: call, target: "search/query"},
	}},
	"gateway/login": {"gateway", HTTP, "POST", "/api/login", 1 * ms, "", []step{
		{action: call, target: "users/login"},
	}},
	"gateway/cart": {"gateway", HTTP, "POST", "/api/cart", 1 * ms, "", []step{
		{action: call, target: "cart/add"},
	}},
	"gateway/checkout": {"gateway", HTTP, "POST", "/api/checkout", 1 * ms, "", []step{
		{action: call, target: "checkout/place"},
	}},
	"gateway/order": {"gateway", HTTP, "GET", "/api/orders/{id}", 1 * ms, "", []step{
		{action: call, target: "orders/status"},
	}},

	"catalog/list": {"catalog", HTTP, "GET", "/products", 4 * ms, "listed products", []step{
		{action: redisCmd, target: "GET catalog:page", took: 300 * µs, host: redisHost, db: "0"},
		{action: sqlQuery, target: "SELECT id, name, price FROM products WHERE page = $1", host: catalogDB, db: "catalog", took: 6 * ms, chance: .35, fails: .01, failure: tooManyConn},
	}},
	"catalog/get": {"catalog", GRPC, "shop.Catalog", "GetProduct", 2 * ms, "product found", []step{
		{action: sqlQuery, target: "SELECT id, name, price FROM products WHERE id = $1", host: catalogDB, db: "catalog", took: 2 * ms},
	}},
	"recommendations/for user": {"recommendations", GRPC, "shop.Recommendations", "ForUser", 12 * ms, "recommended 8 products", []step{
		{action: redisCmd, target: "ZREVRANGE affinity:user", took: 500 * µs, host: redisHost, db: "0", fails: .02, failure: redisDown},
	}},
	"search/query": {"search", HTTP, "GET", "/search", 15 * ms, "search answered", []step{
		{action: logDetail, target: "query rewritten", chance: .5},
		{action: call, target: "catalog/get", chance: .8},
		{action: call, target: "catalog/get", chance: .4},
	}},
	"users/login": {"users", HTTP, "POST", "/login", 45 * ms, "login accepted", []step{
		{action: sqlQuery, target: "SELECT id, password_hash FROM users WHERE email = $1", host: catalogDB, db: "users", took: 3 * ms},
		{action: redisCmd, target: "SETEX session", took: 400 * µs, host: redisHost, db: "1"},
	}},
	"users/get": {"users", GRPC, "shop.Users", "GetUser", 2 * ms, "user loaded", []step{
		{action: sqlQuery, target: "SELECT id, email, address FROM users WHERE id = $1", host: catalogDB, db: "users", took: 2 * ms},
	}},
	"cart/add": {"cart", HTTP, "POST", "/cart/items", 3 * ms, "item added to cart", []step{
		{action: call, target: "catalog/get"},
		{action: redisCmd, target: "HSET cart", took: 400 * µs, host: redisHost, db: "0"},
	}},
	"cart/get": {"cart", GRPC, "shop.Cart", "GetCart", 2 * ms, "cart loaded", []step{
		{action: redisCmd, target: "HGETALL cart", took: 500 * µs, host: redisHost, db: "0"},
	}},

	"checkout/place": {"checkout", HTTP, "POST", "/checkout", 6 * ms, "checkout complete", []step{
		{action: logDetail, target: "checkout started"},
		{action: call, target: "cart/get"},
		{action: call, target: "users/get"},
		{action: call, target: "orders/place"},
	}},
	"orders/place": {"orders", GRPC, "shop.Orders", "PlaceOrder", 5 * ms, "order placed", []step{
		{action: sqlQuery, target: "INSERT INTO orders (id, user_id, total) VALUES ($1, $2, $3)", host: ordersDB, db: "orders", took: 7 * ms, fails: .02, failure: deadlock, retried: true},
		{action: call, target: "inventory/reserve"},
		{action: call, target: "payment/charge"},
		{action: sqlQuery, target: "UPDATE orders SET state = 'paid' WHERE id = $1", host: ordersDB, db: "orders", took: 5 * ms},
		{action: publish},
	}},
	"orders/status": {"orders", HTTP, "GET", "/orders/{id}", 3 * ms, "order status read", []step{
		{action: sqlQuery, target: "SELECT * FROM orders WHERE id = $1", host: ordersDB, db: "orders", took: 3 * ms},
		{action: call, target: "shipping/track", chance: .7},
	}},
	"inventory/reserve": {"inventory", GRPC, "shop.Inventory", "Reserve", 4 * ms, "stock reserved", []step{
		{action: logDetail, target: "checking stock in 3 warehouses", chance: .5},
		{action: sqlQuery, target: "UPDATE stock SET reserved = reserved + $1 WHERE sku = $2", host: catalogDB, db: "inventory", took: 8 * ms, fails: .04, failure: tooManyConn},
	}},
	"payment/charge": {"payment", GRPC, "shop.Payment", "Charge", 8 * ms, "payment captured", []step{
		{action: logDetail, target: "risk score computed"},
		{action: callOut, target: "/v1/charges", took: 160 * ms, fails: .05, failure: provider503, retried: true},
		{action: callOut, target: "/v1/captures", took: 90 * ms, fails: .04, failure: provider503},
		{action: sqlQuery, target: "INSERT INTO payments (id, order_id, amount) VALUES ($1, $2, $3)", host: ordersDB, db: "payments", took: 5 * ms},
	}},

	"notifications/order placed": {"notifications", Messaging, "process", kafkaTopic, 9 * ms, "order confirmation queued", []step{
		{action: redisCmd, target: "LPUSH mail:outbox", took: 300 * µs, host: redisHost, db: "2"},
	}},
	"shipping/order placed": {"shipping", Messaging, "process", kafkaTopic, 14 * ms, "shipment created", []step{
		{action: sqlQuery, target: "INSERT INTO shipments (id, order_id) VALUES ($1, $2)", host: ordersDB, db: "shipping", took: 5 * ms},
		{action: call, target: "inventory/pick"},
	}},
	"inventory/pick": {"inventory", GRPC, "shop.Inventory", "Pick", 3 * ms, "stock picked", []step{
		{action: sqlQuery, target: "UPDATE stock SET reserved = reserved - $1, on_hand = on_hand - $1 WHERE sku = $2", host: catalogDB, db: "inventory", took: 6 * ms},
	}},
	"shipping/track": {"shipping", GRPC, "shop.Shipping", "Track", 3 * ms, "shipment tracked", []step{
		{action: sqlQuery, target: "SELECT state, eta FROM shipments WHERE order_id = $1", host: ordersDB, db: "shipping", took: 3 * ms},
	}},
}
