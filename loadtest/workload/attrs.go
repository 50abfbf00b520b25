package workload

import "strings"

// serverAttrs are the attributes of the endpoint's own span. A root carries
// the request's IDs, others those that they work with.
func (ep *endpoint) serverAttrs(s *Story, root bool, f *failure) []Attr {
	attrs := ep.protocolAttrs(s.OrderID, f)
	if root {
		attrs = append(attrs, Attr{"request.id", s.RequestID})
	}
	switch ep.service {
	case "gateway":
		attrs = append(attrs, Attr{"session.id", s.SessionID}, Attr{"user.id", s.UserID})
	case "checkout", "orders", "shipping":
		if s.OrderID != "" {
			attrs = append(attrs, Attr{"order.id", s.OrderID})
		}
	}
	return attrs
}

func (ep *endpoint) protocolAttrs(orderID string, f *failure) []Attr {
	switch ep.protocol {
	case HTTP:
		return []Attr{
			{"http.request.method", ep.method},
			{"http.route", ep.route},
			{"url.path", ep.path(orderID)},
			{"url.scheme", "http"},
			{"http.response.status_code", httpStatus(f)},
		}
	case Messaging:
		return []Attr{
			{"messaging.system", "kafka"},
			{"messaging.destination.name", ep.route},
			{"messaging.operation.name", ep.method},
			{"messaging.operation.type", "process"},
			{"messaging.consumer.group.name", ep.service},
		}
	default:
		return []Attr{
			{"rpc.system", "grpc"},
			{"rpc.service", ep.method},
			{"rpc.method", ep.route},
			{"rpc.grpc.status_code", grpcStatus(f)},
		}
	}
}

// clientAttrs are the attributes of the span of who calls the endpoint.
func (ep *endpoint) clientAttrs(f *failure) []Attr {
	if ep.protocol == HTTP {
		return []Attr{
			{"http.request.method", ep.method},
			{"url.full", "http://" + ep.service + ":8080" + ep.route},
			{"server.address", ep.service},
			{"server.port", int64(8080)},
			{"http.response.status_code", httpStatus(f)},
		}
	}
	return []Attr{
		{"rpc.system", "grpc"},
		{"rpc.service", ep.method},
		{"rpc.method", ep.route},
		{"server.address", ep.service},
		{"server.port", int64(9090)},
		{"rpc.grpc.status_code", grpcStatus(f)},
	}
}

// leafSpan is the name and the attributes of a client span to a database or
// to the payment provider.
func (st *step) leafSpan(f *failure) (string, []Attr) {
	if st.action == callOut {
		return "POST", []Attr{
			{"http.request.method", "POST"},
			{"url.full", "https://" + providerHost + st.target},
			{"server.address", providerHost},
			{"server.port", int64(443)},
			{"http.response.status_code", httpStatus(f)},
		}
	}
	verb, _, _ := strings.Cut(st.target, " ")
	attrs := []Attr{
		{"db.system.name", st.system()},
		{"db.namespace", st.db},
		{"db.operation.name", verb},
		{"db.query.text", st.target},
		{"server.address", st.host},
	}
	if f != nil {
		attrs = append(attrs, Attr{"error.type", f.kind})
	}
	return verb + " " + st.db, attrs
}

// leafNode is the node on the map that a leaf step calls.
func (st *step) leafNode() (string, Protocol) {
	if st.action == callOut {
		return providerHost, HTTP
	}
	return NodeOfDatabase(st.system(), st.host, st.db), DB
}

func (st *step) system() string {
	if st.action == redisCmd {
		return "redis"
	}
	return "postgresql"
}

func httpStatus(f *failure) int64 {
	if f != nil {
		return 503
	}
	return 200
}

func grpcStatus(f *failure) int64 {
	if f != nil {
		return f.grpc
	}
	return 0
}

// event is the failure as an exception event.
func (f *failure) event(at int64) Event {
	return Event{Time: at, Name: "exception", Attrs: []Attr{
		{"exception.type", f.kind},
		{"exception.message", f.message},
		{"exception.stacktrace", f.stack()},
	}}
}

func (f *failure) stack() string {
	return f.kind + ": " + f.message + "\n\tat com.shop.Handler.handle(Handler.java:118)\n\tat com.shop.Server.dispatch(Server.java:64)"
}
