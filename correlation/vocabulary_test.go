package correlation

import "testing"

func TestKindOf(t *testing.T) {
	for kind, keys := range map[Kind][]string{
		TraceID: {"trace_id", "traceId", "traceID", "TraceId", "trace.id", "trace-id", "TRACE_ID", "dd.trace_id", "otel.trace_id",
			"x-b3-traceid", "X-B3-TraceId", "traceparent", "http.request.header.traceparent", "b3", "uber-trace-id", "X-Amzn-Trace-Id",
			"x-cloud-trace-context", "logging.googleapis.com/trace", "labels.trace_id"},
		SpanID: {"span_id", "spanId", "parent_span_id", "parentSpanId", "X-B3-SpanId", "logging.googleapis.com/spanId"},
		RequestID: {"x-request-id", "request_id", "requestId", "RequestID", "request.id", "http.request.header.x_request_id",
			"http.request.header.x-request-id", "X-Request-ID", "awsRequestId", "aws.request_id", "app.checkout.request_id",
			"req_id", "reqId", "faas.invocation_id", "HTTPRequestID", "mdc.requestId", "Idempotency-Key"},
		CorrelationID: {"correlation.id", "correlation_id", "X-Correlation-ID", "correlationId", "messaging.message.conversation_id"},
		TransactionID: {"transaction.id", "transactionId", "txn_id", "payment.id"},
		MessageID:     {"messaging.message.id", "message_id", "messageId", "msg_id", "event.id"},
		OrderID:       {"order.id", "order_id", "orderId", "app.order.id", "ORDER_ID", "orderNumber"},
		SessionID:     {"session.id", "sessionId", "session_id", "JSESSIONID"},
		UserID:        {"user.id", "enduser.id", "user_id", "userId", "customer.id"},
	} {
		for _, key := range keys {
			if got, ok := KindOf(key); !ok || got != kind {
				t.Errorf("KindOf(%q) = %q, %v, want %q", key, got, ok, kind)
			}
		}
	}
	for _, key := range []string{
		"", "id", "d", "3", "k8s.pod.uid", "process.pid", "thread.id", "container.id", "service.instance.id", "host.id", "grid", "invalid",
		"http.request.method", "url.full", "trace", "order", "request", "user.name", "error", "severity", "messaging.destination.name",
		"requestidentity", "paid", "android", "жук",
	} {
		if got, ok := KindOf(key); ok {
			t.Errorf("KindOf(%q) = %q, want none", key, got)
		}
	}
}

func TestKindsThatJoin(t *testing.T) {
	for kind, want := range map[Kind]bool{TraceID: true, RequestID: true, CorrelationID: true, SpanID: false, SessionID: false,
		UserID: false, OrderID: false, MessageID: false, TransactionID: false, Token: false} {
		if kind.Joins() != want {
			t.Errorf("%s joins: %v", kind, !want)
		}
	}
}

func FuzzKindOf(f *testing.F) {
	f.Add("request_id")
	f.Add("ABCdEfGhIjKlMnOpQrStUvWxYz.ABCdEfGhIjKlMnOpQrStUvWxYz.ABCdEfGhIjKlMnOpQrStUvWxYzid")
	f.Fuzz(func(t *testing.T, key string) {
		if k, ok := KindOf(key); ok && k == "" {
			t.Fatalf("KindOf(%q) says an empty kind", key)
		}
	})
}
