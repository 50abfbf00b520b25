package servicemap

import (
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/clewhq/clew/telemetry/calls"
)

// connection types of Grafana's service graph.
const (
	connMessaging = "messaging_system"
	connDatabase  = "database"
	connVirtual   = "virtual_node"
)

// step is what happened during one step of a counter.
type step struct {
	calls, failed int
	seconds       float64
	buckets       []int // by the first bound that is not below, the last beyond all
}

// counter is the steps of one set of labels, by the number of the step.
type counter map[int64]*step

type graphKey struct {
	source, target int32
	connection     string
}

type spanMetricKey struct {
	service, name int32
	kind          uint8
	status        uint8
}

// counters is a visitor that counts for the metrics.
type counters struct {
	b     *builder // for resolving hosts to services
	rows  *calls.Rows
	q     *querier
	graph map[graphKey]counter
	spans map[spanMetricKey]counter
}

func newCounters(rows *calls.Rows, q *querier) *counters {
	const milli = int64(time.Millisecond)
	t := calls.NewTotals(rows.Names, 0)
	t.Send(rows, q.e.cfg.Rules(), q.from*milli, q.to*milli)
	return &counters{b: newBuilder(t, q.e.cfg), rows: rows, q: q, graph: map[graphKey]counter{}, spans: map[spanMetricKey]counter{}}
}

// add counts a span that started at start.
func (c *counters) add(to counter, r *calls.Row, failed bool) {
	n := (r.Start/int64(time.Millisecond) - c.q.from) / c.q.step
	s := to[n]
	bounds := c.q.e.cfg.LatencyBuckets
	if s == nil {
		s = &step{buckets: make([]int, len(bounds)+1)}
		to[n] = s
	}
	seconds := time.Duration(r.Dur).Seconds()
	s.calls++
	s.seconds += seconds
	if failed {
		s.failed++
	}
	at := 0
	for at < len(bounds) && seconds > bounds[at] {
		at++
	}
	s.buckets[at]++
}

// Span implements calls.Visitor.
func (c *counters) Span(*calls.Row) {}

// Entry implements calls.Visitor.
func (c *counters) Entry(*calls.Row, bool) {}

// Odd implements calls.Visitor.
func (c *counters) Odd(*calls.Row, calls.Reason) {}

// Call implements calls.Visitor.
func (c *counters) Call(x *calls.Call) {
	source, target := c.b.resolve(x.Source), c.b.resolve(x.Target)
	if source == target {
		return
	}
	key := graphKey{source, target, c.connection(source, target)}
	if c.graph[key] == nil {
		c.graph[key] = counter{}
	}
	c.add(c.graph[key], x.Of, x.Failed)
}

func (c *counters) connection(ends ...int32) string {
	for _, end := range ends {
		switch c.rows.Names.Node(end).Type {
		case TypeQueue:
			return connMessaging
		case TypeDatabase:
			return connDatabase
		case TypeExternal, TypeUser:
			return connVirtual
		}
	}
	return ""
}

// build makes the series that out wants.
func (c *counters) build(out *seriesBuilder) {
	if out.wants(metricSpanCalls, metricSpanLatency) {
		const milli = int64(time.Millisecond)
		for i := range c.rows.List {
			if r := &c.rows.List[i]; r.Start >= c.q.from*milli && r.Start < c.q.to*milli {
				c.countSpan(r)
			}
		}
	}
	for k, counts := range c.graph {
		client, clientSpace := c.rows.Names.Plain(k.source)
		server, serverSpace := c.rows.Names.Plain(k.target)
		ls := labels.FromStrings("client", client, "server", server, "connection_type", k.connection,
			"client_service_namespace", clientSpace, "server_service_namespace", serverSpace)
		out.counter(metricGraphTotal, ls, counts, func(s *step) float64 { return float64(s.calls) })
		out.counter(metricGraphFailed, ls, counts, func(s *step) float64 { return float64(s.failed) })
		out.histogram(metricGraphSeconds, ls, counts)
	}
	for k, counts := range c.spans {
		service, space := c.rows.Names.Plain(k.service)
		ls := labels.FromStrings("service", service, "service_namespace", space, "span_name", c.rows.Names.Node(k.name).ID,
			"span_kind", "SPAN_KIND_"+kindNames[k.kind], "status_code", "STATUS_CODE_"+statusNames[k.status])
		out.counter(metricSpanCalls, ls, counts, func(s *step) float64 { return float64(s.calls) })
		out.histogram(metricSpanLatency, ls, counts)
	}
}

// kindNames and statusNames are OTLP's words, by their numbers.
var (
	kindNames   = strings.Fields("UNSPECIFIED INTERNAL SERVER CLIENT PRODUCER CONSUMER")
	statusNames = strings.Fields("UNSET OK ERROR")
)

func (c *counters) countSpan(r *calls.Row) {
	k := spanMetricKey{r.Service, r.Name, uint8(r.Kind), uint8(r.Status)}
	if int(k.kind) >= len(kindNames) {
		k.kind = 0
	}
	if int(k.status) >= len(statusNames) {
		k.status = 0
	}
	if c.spans[k] == nil {
		c.spans[k] = counter{}
	}
	c.add(c.spans[k], r, r.Failed())
}
