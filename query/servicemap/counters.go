package servicemap

import (
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
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
	t     *table
	q     *querier
	graph map[graphKey]counter
	spans map[spanMetricKey]counter
}

func newCounters(t *table, q *querier) *counters {
	return &counters{b: newBuilder(t, q.e.cfg), t: t, q: q, graph: map[graphKey]counter{}, spans: map[spanMetricKey]counter{}}
}

// add counts a span that started at start.
func (c *counters) add(to counter, r *row, failed bool) {
	n := (r.start/int64(time.Millisecond) - c.q.from) / c.q.step
	s := to[n]
	bounds := c.q.e.cfg.LatencyBuckets
	if s == nil {
		s = &step{buckets: make([]int, len(bounds)+1)}
		to[n] = s
	}
	seconds := time.Duration(r.dur).Seconds()
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

// entry implements visitor.
func (c *counters) entry(*row) {}

// odd implements visitor.
func (c *counters) odd(*row, string) {}

// call implements visitor.
func (c *counters) call(x call) {
	x.source, x.target = c.b.resolve(x.source), c.b.resolve(x.target)
	if x.source == x.target {
		return
	}
	key := graphKey{x.source, x.target, c.connection(x)}
	if c.graph[key] == nil {
		c.graph[key] = counter{}
	}
	c.add(c.graph[key], x.of, x.failed)
}

func (c *counters) connection(x call) string {
	for _, end := range []int32{x.source, x.target} {
		switch c.t.names[end].kind {
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
		for i := range c.t.rows {
			if r := &c.t.rows[i]; r.inRange {
				c.countSpan(r)
			}
		}
	}
	for k, counts := range c.graph {
		client, clientSpace := c.t.plain(k.source)
		server, serverSpace := c.t.plain(k.target)
		ls := labels.FromStrings("client", client, "server", server, "connection_type", k.connection,
			"client_service_namespace", clientSpace, "server_service_namespace", serverSpace)
		out.counter(metricGraphTotal, ls, counts, func(s *step) float64 { return float64(s.calls) })
		out.counter(metricGraphFailed, ls, counts, func(s *step) float64 { return float64(s.failed) })
		out.histogram(metricGraphSeconds, ls, counts)
	}
	for k, counts := range c.spans {
		service, space := c.t.plain(k.service)
		ls := labels.FromStrings("service", service, "service_namespace", space, "span_name", c.t.names[k.name].id,
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

func (c *counters) countSpan(r *row) {
	k := spanMetricKey{r.service, r.name, uint8(r.kind), uint8(r.status)}
	if int(k.kind) >= len(kindNames) {
		k.kind = 0
	}
	if int(k.status) >= len(statusNames) {
		k.status = 0
	}
	if c.spans[k] == nil {
		c.spans[k] = counter{}
	}
	c.add(c.spans[k], r, failed(r))
}
