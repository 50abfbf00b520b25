package servicemap_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

const tenant = "anonymous"

var whole = servicemap.Query{Tenant: tenant, From: correlatetest.At(0), To: correlatetest.At(60_000)}

func mapOf(t *testing.T, s storage.Reader, q servicemap.Query) *servicemap.Map {
	t.Helper()
	m, err := servicemap.New(servicemap.DefaultConfig(), s).Map(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func text(m *servicemap.Map) string {
	var b strings.Builder
	for _, n := range m.Nodes {
		fmt.Fprintf(&b, "%s %s calls=%d errors=%d p50=%g p99=%g %s\n", n.Type, n.ID, n.Calls, n.Errors, n.P50, n.P99, n.Health)
	}
	for _, e := range m.Edges {
		fmt.Fprintf(&b, "%s -> %s %s calls=%d errors=%d p50=%g\n", e.Source, e.Target, e.Protocol, e.Calls, e.Errors, e.P50)
	}
	for _, w := range m.Warnings {
		fmt.Fprintf(&b, "warning %s\n", w)
	}
	return b.String()
}

const shopMap = `service audit calls=1 errors=0 p50=0 p99=0 ok
service checkout calls=1 errors=0 p50=80 p99=80 ok
service gateway calls=1 errors=0 p50=100 p99=100 ok
queue kafka:orders calls=1 errors=0 p50=2 p99=2 ok
external pay.example.com calls=1 errors=0 p50=2 p99=2 ok
database postgresql:db-1/shop calls=1 errors=0 p50=10 p99=10 ok
service shipping calls=1 errors=0 p50=40 p99=40 ok
service stock calls=1 errors=1 p50=16 p99=16 down
user user calls=0 errors=0 p50=0 p99=0 unknown
checkout -> kafka:orders messaging calls=1 errors=0 p50=2
checkout -> pay.example.com http calls=1 errors=0 p50=2
checkout -> postgresql:db-1/shop db calls=1 errors=0 p50=10
checkout -> stock grpc calls=1 errors=1 p50=16
gateway -> audit unknown calls=1 errors=0 p50=0
gateway -> checkout http calls=1 errors=0 p50=80
kafka:orders -> shipping messaging calls=1 errors=0 p50=40
user -> gateway http calls=1 errors=0 p50=100
`

func TestShop(t *testing.T) {
	m := mapOf(t, correlatetest.Shop(tenant), whole)
	if got := text(m); got != shopMap {
		t.Errorf("got\n%s\nwant\n%s", got, shopMap)
	}
	for _, e := range m.Edges {
		if fromLogs := e.Target == "audit"; (len(e.SampleTraceIDs) != 1 || e.Evidence != "spans") != fromLogs || (e.Evidence == "logs") != fromLogs {
			t.Errorf("edge %+v", e)
		}
	}
}

func TestShuffledAndDoubledSpansMakeTheSameMap(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		shop := correlatetest.Shop(tenant)
		spans := slices.Concat(shop.SpansOf[tenant], shop.SpansOf[tenant][:4])
		r.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
		shop.SpansOf[tenant] = spans
		if got := text(mapOf(t, shop, whole)); got != shopMap {
			t.Fatalf("got\n%s\nwant\n%s", got, shopMap)
		}
	}
}

// A builder of small traces: name, service, kind, parent, attributes.
type spec struct {
	id, parent, service string
	kind                telemetry.SpanKind
	start, end          int
	failed              bool
	attrs               []string
}

func storeOf(specs ...spec) *correlatetest.Store {
	s := correlatetest.New()
	for _, c := range specs {
		sp := telemetry.Span{Stream: correlatetest.Stream(c.service), TraceID: correlatetest.Trace("a"), SpanID: correlatetest.Span(c.id), ParentID: correlatetest.Span(c.parent),
			Kind: c.kind, Name: "op", Start: correlatetest.At(c.start), End: correlatetest.At(max(c.end, c.start+1)), Attrs: correlatetest.Attrs(c.attrs...)}
		if c.failed {
			sp.Status = telemetry.StatusError
		}
		s.AddSpans(tenant, sp)
	}
	return s
}

const (
	server   = telemetry.SpanKindServer
	client   = telemetry.SpanKindClient
	internal = telemetry.SpanKindInternal
	producer = telemetry.SpanKindProducer
	consumer = telemetry.SpanKindConsumer
)

func TestEdges(t *testing.T) {
	for name, c := range map[string]struct {
		spans []spec
		want  string
	}{
		"the client span was not received": {[]spec{{id: "2", parent: "1", service: "b", kind: server}}, ""},
		"no client span, the parent is internal": {[]spec{{id: "1", service: "a", kind: internal}, {id: "2", parent: "1", service: "b", kind: server, attrs: []string{"http.route", "/"}}},
			"a -> b http calls=1 errors=0"},
		"kinds unset": {[]spec{{id: "1", service: "a"}, {id: "2", parent: "1", service: "b"}}, "a -> b unknown calls=1 errors=0"},
		"protocol of the caller": {[]spec{{id: "1", service: "a", kind: client, attrs: []string{"rpc.system", "grpc"}}, {id: "2", parent: "1", service: "b", kind: server}},
			"a -> b grpc calls=1 errors=0"},
		"the caller alone saw the error": {[]spec{{id: "1", service: "a", kind: client, failed: true}, {id: "2", parent: "1", service: "b", kind: server}},
			"a -> b unknown calls=1 errors=1"},
		"a wrapper around a client": {[]spec{{id: "1", service: "a", kind: client, attrs: []string{"db.system", "mysql", "db.name", "x"}},
			{id: "2", parent: "1", service: "a", kind: client, attrs: []string{"db.system", "mysql", "net.peer.name", "db-1", "db.name", "x"}}},
			"a -> mysql:db-1/x db calls=1 errors=0"},
		"a database span of no kind": {[]spec{{id: "1", service: "a", kind: internal, attrs: []string{"db.system", "sqlite", "db.name", "x"}}}, "a -> sqlite:x db calls=1 errors=0"},
		"an ORM's span around a driver's": {[]spec{{id: "1", service: "a", kind: internal, attrs: []string{"db.system", "mysql"}}, {id: "2", parent: "1", service: "a", kind: client, attrs: []string{"db.system", "mysql", "server.address", "db-1"}}},
			"a -> mysql:db-1 db calls=1 errors=0"},
		"two servers are two databases": {[]spec{{id: "1", service: "a", kind: client, attrs: []string{"db.system.name", "postgresql", "server.address", "db-1", "db.namespace", "x"}},
			{id: "2", service: "a", kind: client, attrs: []string{"db.system.name", "postgresql", "server.address", "db-2", "server.port", "5432", "db.namespace", "x"}}},
			"a -> postgresql:db-1/x db calls=1 errors=0|a -> postgresql:db-2/x db calls=1 errors=0"},
		"a database without an address": {[]spec{{id: "1", service: "a", kind: client, attrs: []string{"db.system", "redis"}}}, "a -> redis db calls=1 errors=0"},
		"outside, by url": {[]spec{{id: "1", service: "a", kind: client, attrs: []string{"http.url", "https://api.example.com:8443/x?y=1"}}},
			"a -> api.example.com http calls=1 errors=0"},
		"outside, by host and port": {[]spec{{id: "1", service: "a", kind: client, attrs: []string{"http.host", "api.example.com:8443"}}},
			"a -> api.example.com http calls=1 errors=0"},
		"outside, by peer.service": {[]spec{{id: "1", service: "a", kind: client, attrs: []string{"peer.service", "billing", "server.address", "10.0.0.9"}}},
			"a -> billing unknown calls=1 errors=0"},
		"a known service that did not answer": {[]spec{{id: "1", service: "a", kind: client, attrs: []string{"server.address", "b.prod.svc.cluster.local"}},
			{id: "9", parent: "8", service: "b", kind: internal}}, "a -> b unknown calls=1 errors=0"},
		"a client that says nothing":  {[]spec{{id: "1", service: "a", kind: client}}, ""},
		"a service that calls itself": {[]spec{{id: "1", service: "a", kind: client, attrs: []string{"server.address", "a"}}, {id: "2", parent: "1", service: "a", kind: server}}, ""},
		"a span ID shared by client and server": {[]spec{{id: "1", service: "a", kind: client, attrs: []string{"http.method", "GET"}}, {id: "1", service: "b", kind: server},
			{id: "2", parent: "1", service: "b", kind: client, attrs: []string{"db.system", "redis"}}},
			"a -> b http calls=1 errors=0|b -> redis db calls=1 errors=0"},
		"messages in one trace": {[]spec{{id: "1", service: "a", kind: producer, attrs: []string{"messaging.system", "kafka", "messaging.destination.name", "t"}},
			{id: "2", parent: "1", service: "b", kind: consumer, failed: true, attrs: []string{"messaging.system", "kafka", "messaging.destination.name", "t"}}},
			"a -> kafka:t messaging calls=1 errors=0|kafka:t -> b messaging calls=1 errors=1"},
		"messages, the consumer names nothing": {[]spec{{id: "1", service: "a", kind: producer, attrs: []string{"messaging.system", "rabbitmq", "messaging.destination", "q"}},
			{id: "2", parent: "1", service: "b", kind: consumer}}, "a -> rabbitmq:q messaging calls=1 errors=0|rabbitmq:q -> b messaging calls=1 errors=0"},
		"messages without a queue's name": {[]spec{{id: "1", service: "a", kind: producer}, {id: "2", parent: "1", service: "b", kind: consumer}},
			"a -> b messaging calls=1 errors=0"},
		"receive and process count once": {[]spec{{id: "1", service: "b", kind: consumer, attrs: []string{"messaging.system", "sqs", "messaging.destination.name", "t", "messaging.operation.type", "receive"}},
			{id: "2", parent: "1", service: "b", kind: consumer, attrs: []string{"messaging.system", "sqs", "messaging.destination.name", "t", "messaging.operation.type", "process"}}},
			"sqs:t -> b messaging calls=1 errors=0"},
		"a client that receives": {[]spec{{id: "1", service: "b", kind: client, attrs: []string{"messaging.system", "sqs", "messaging.destination.name", "t", "messaging.operation", "receive"}}},
			"sqs:t -> b messaging calls=1 errors=0"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range mapOf(t, storeOf(c.spans...), whole).Edges {
				got = append(got, fmt.Sprintf("%s -> %s %s calls=%d errors=%d", e.Source, e.Target, e.Protocol, e.Calls, e.Errors))
			}
			if s := strings.Join(got, "|"); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

// A call counts in the range in which the called span started, wherever the
// caller's did.
func TestCallsOverTheEdgeOfTheRange(t *testing.T) {
	s := storeOf(spec{id: "1", service: "a", kind: client, start: 900, end: 1200}, spec{id: "2", parent: "1", service: "b", kind: server, start: 1100, end: 1150})
	for _, c := range []struct {
		from, to int
		want     string
	}{
		{0, 1000, "service a calls=0 errors=0 p50=0 p99=0 unknown\n"},
		{1000, 2000, "service a calls=0 errors=0 p50=0 p99=0 unknown\nservice b calls=1 errors=0 p50=50 p99=50 ok\na -> b unknown calls=1 errors=0 p50=50\n"},
		{2000, 3000, ""},
	} {
		if got := text(mapOf(t, s, servicemap.Query{Tenant: tenant, From: correlatetest.At(c.from), To: correlatetest.At(c.to)})); got != c.want {
			t.Errorf("%d to %d:\n%s\nwant\n%s", c.from, c.to, got, c.want)
		}
	}
}

func TestPercentilesHealthAndSamples(t *testing.T) {
	s := correlatetest.New()
	st := correlatetest.Stream("a")
	for i := range 100 {
		sp := telemetry.Span{Stream: st, TraceID: correlatetest.Trace(fmt.Sprintf("%x", i+1)), SpanID: correlatetest.Span("1"), Kind: server,
			Start: correlatetest.At(i), End: correlatetest.At(i + i + 1)}
		if i < 6 {
			sp.Status = telemetry.StatusError
		}
		s.AddSpans(tenant, sp)
	}
	m := mapOf(t, s, whole)
	n, e := m.Nodes[0], m.Edges[0]
	if n.Calls != 100 || n.Errors != 6 || n.P50 != 50 || n.P95 != 95 || n.P99 != 99 || n.Health != "degraded" {
		t.Errorf("node %+v", n)
	}
	want := []string{"6", "5", "4", "3", "2"} // failed ones, the slowest first
	for i, id := range e.SampleTraceIDs {
		if strings.TrimLeft(id, "0") != want[i] {
			t.Errorf("samples %v, want %v", e.SampleTraceIDs, want)
		}
	}
}

func TestAround(t *testing.T) {
	m := mapOf(t, correlatetest.Shop(tenant), whole)
	for _, c := range []struct {
		service string
		depth   int
		nodes   int
		edges   int
	}{{"checkout", 0, 1, 0}, {"checkout", 1, 6, 5}, {"checkout", 2, 9, 8}, {"gateway", 1, 4, 3}, {"audit", 3, 8, 7}, {"nobody", 3, 0, 0}} {
		if got := m.Around(c.service, c.depth); len(got.Nodes) != c.nodes || len(got.Edges) != c.edges {
			t.Errorf("around %s %d:\n%s", c.service, c.depth, text(got))
		}
	}
}

func TestBudgetsAndErrors(t *testing.T) {
	shop := correlatetest.Shop(tenant)
	cfg := servicemap.DefaultConfig()
	cfg.MaxSpans = 4
	m, err := servicemap.New(cfg, shop).Map(t.Context(), whole)
	if err != nil || !m.Partial || len(m.Warnings) != 1 {
		t.Errorf("over budget: %+v, %v", m, err)
	}
	shop.Warnings = []string{"a segment is missing"}
	if m := mapOf(t, shop, whole); !m.Partial {
		t.Errorf("with a warning of the store: %+v", m)
	}
	shop.Err = errors.New("disk on fire")
	if _, err := servicemap.New(cfg, shop).Map(t.Context(), whole); !errors.Is(err, shop.Err) && err == nil {
		t.Errorf("error of the store: %v", err)
	}
}

func TestDependencies(t *testing.T) {
	got, err := servicemap.New(servicemap.DefaultConfig(), correlatetest.Shop(tenant)).Dependencies(t.Context(), tenant, whole.From, whole.To)
	want := []servicemap.Dependency{{Parent: "checkout", Child: "stock", CallCount: 1}, {Parent: "gateway", Child: "checkout", CallCount: 1}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestJSON(t *testing.T) {
	b, err := json.Marshal(mapOf(t, storeOf(spec{id: "1", service: "a", kind: server, end: 3}), whole))
	want := `{"nodes":[{"id":"a","type":"service","calls":1,"errors":0,"p50_ms":3,"p95_ms":3,"p99_ms":3,"health":"ok","evidence":"spans"},` +
		`{"id":"user","type":"user","calls":0,"errors":0,"p50_ms":0,"p95_ms":0,"p99_ms":0,"health":"unknown","evidence":"spans"}],` +
		`"edges":[{"source":"user","target":"a","protocol":"unknown","calls":1,"errors":0,"p50_ms":3,"p95_ms":3,"p99_ms":3,"evidence":"spans",` +
		`"sample_trace_ids":["0000000000000000000000000000000a"],"health":"ok"}],"partial":false}`
	if err != nil || string(b) != want {
		t.Errorf("got %s, %v", b, err)
	}
	if b, _ := json.Marshal(mapOf(t, correlatetest.New(), whole)); string(b) != `{"nodes":[],"edges":[],"partial":false}` {
		t.Errorf("an empty map: %s", b)
	}
}

func TestConfig(t *testing.T) {
	if err := servicemap.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*servicemap.Config){
		func(c *servicemap.Config) { c.DefaultRange = 0 }, func(c *servicemap.Config) { c.Lookaround = -1 }, func(c *servicemap.Config) { c.MaxSpans = 0 },
		func(c *servicemap.Config) { c.Degraded = 0.9 }, func(c *servicemap.Config) { c.Down = 1.5 }, func(c *servicemap.Config) { c.MaxDepth = 0 },
		func(c *servicemap.Config) { c.MetricsStep = 1 }, func(c *servicemap.Config) { c.MaxMetricsRange = 1 }, func(c *servicemap.Config) { c.LatencyBuckets = []float64{2, 1} }, func(c *servicemap.Config) { c.MaxMetricsSeries = 0 },
	} {
		c := servicemap.DefaultConfig()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%+v passes", c)
		}
	}
}

func BenchmarkMap(b *testing.B) {
	shop := correlatetest.New()
	for i := range 2000 {
		for _, sp := range correlatetest.Shop(tenant).SpansOf[tenant] {
			sp.TraceID[0], sp.TraceID[1] = byte(i), byte(i>>8)
			shop.AddSpans(tenant, sp)
		}
	}
	n := len(shop.SpansOf[tenant])
	b.ReportAllocs()
	start := time.Now()
	for b.Loop() {
		if _, err := servicemap.New(servicemap.DefaultConfig(), plain{shop}).Map(b.Context(), whole); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/time.Since(start).Seconds(), "spans/s")
}
