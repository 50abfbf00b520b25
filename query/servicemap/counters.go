package servicemap

import (
	"slices"
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
	names *calls.Names
	q     *querier
	graph map[graphKey]counter
	spans map[spanMetricKey]counter
}

// newCounters returns counters at zero; t says who sends spans.
func newCounters(t *calls.Totals, q *querier) *counters {
	return &counters{b: newBuilder(t, q.e.cfg), names: t.Names, q: q, graph: map[graphKey]counter{}, spans: map[spanMetricKey]counter{}}
}

// tellRows counts what the rows of the query's range mean.
func tellRows(rows *calls.Rows, q *querier, withSpans bool) *counters {
	const milli = int64(time.Millisecond)
	rules, from, to := q.e.cfg.Rules(), q.from*milli, q.to*milli
	t := calls.NewTotals(rows.Names, 0)
	t.Send(rows, rules, from, to)
	c := newCounters(t, q)
	rows.Tell(rules, from, to, c)
	for i := range rows.List {
		if r := &rows.List[i]; withSpans && r.Start >= from && r.Start < to {
			c.countSpan(r)
		}
	}
	return c
}

// step returns the n-th step of a counter.
func (c *counters) step(of counter, n int64) *step {
	s := of[n]
	if s == nil {
		s = &step{buckets: make([]int, len(c.q.e.cfg.LatencyBuckets)+1)}
		of[n] = s
	}
	return s
}

// bucket returns the first bucket whose bound is not below a duration.
func (c *counters) bucket(seconds float64) int {
	at, _ := slices.BinarySearch(c.q.e.cfg.LatencyBuckets, seconds)
	return at
}

// add counts a span that started at start.
func (c *counters) add(to counter, r *calls.Row, failed bool) {
	s := c.step(to, (r.Start/int64(time.Millisecond)-c.q.from)/c.q.step)
	seconds := time.Duration(r.Dur).Seconds()
	s.calls++
	s.seconds += seconds
	if failed {
		s.failed++
	}
	s.buckets[c.bucket(seconds)]++
}

// Span implements calls.Visitor.
func (c *counters) Span(*calls.Row) {}

// Entry implements calls.Visitor.
func (c *counters) Entry(*calls.Row, bool) {}

// Odd implements calls.Visitor.
func (c *counters) Odd(*calls.Row, calls.Reason) {}

// Call implements calls.Visitor.
func (c *counters) Call(x *calls.Call) {
	if to := c.edge(x.Source, x.Target); to != nil {
		c.add(to, x.Of, x.Failed)
	}
}

// edge returns the counter of calls between two nodes, nil where they are one.
func (c *counters) edge(source, target int32) counter {
	source, target = c.b.resolve(source), c.b.resolve(target)
	if source == target {
		return nil
	}
	key := graphKey{source, target, c.connection(source, target)}
	if c.graph[key] == nil {
		c.graph[key] = counter{}
	}
	return c.graph[key]
}

func (c *counters) connection(ends ...int32) string {
	for _, end := range ends {
		switch c.names.Node(end).Type {
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
	for k, counts := range c.graph {
		client, clientSpace := c.names.Plain(k.source)
		server, serverSpace := c.names.Plain(k.target)
		ls := labels.FromStrings("client", client, "server", server, "connection_type", k.connection,
			"client_service_namespace", clientSpace, "server_service_namespace", serverSpace)
		out.counter(metricGraphTotal, ls, counts, func(s *step) float64 { return float64(s.calls) })
		out.counter(metricGraphFailed, ls, counts, func(s *step) float64 { return float64(s.failed) })
		out.histogram(metricGraphSeconds, ls, counts)
	}
	for k, counts := range c.spans {
		service, space := c.names.Plain(k.service)
		ls := labels.FromStrings("service", service, "service_namespace", space, "span_name", c.names.Node(k.name).ID,
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
