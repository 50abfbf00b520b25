package storagetest

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// Base is where generated times start: 2026-01-31 12:00:00 UTC.
const Base = int64(1769860800) * 1e9

// Gen makes up records that use everything OTLP can carry. The same seed makes
// the same records.
type Gen struct {
	R       *rand.Rand
	Streams []*telemetry.Stream
	// Spread is how far apart records are: the n-th is at Base + n*Spread,
	// plus less than Spread, so that times are unique.
	Spread int64
	n      int64
}

// NewGen returns a generator of a few streams.
func NewGen(seed uint64) *Gen {
	g := &Gen{R: rand.New(rand.NewPCG(seed, 0x5eed)), Spread: 1e6}
	for i := range 5 {
		g.Streams = append(g.Streams, g.stream(i))
	}
	return g
}

func (g *Gen) stream(i int) *telemetry.Stream {
	res := telemetry.Attrs{
		{Key: telemetry.AttrServiceName, Value: telemetry.String(fmt.Sprintf("service-%d", i))},
		{Key: "host.name", Value: telemetry.String("node-1")},
	}
	r := telemetry.Resource{Attrs: append(res, g.attrs(2)...)}
	s := telemetry.Scope{Name: "lib", Version: "1.2.3"}
	if i%2 == 1 {
		r.Dropped, r.SchemaURL = 3, "https://opentelemetry.io/schemas/1.30.0"
		s.Dropped, s.SchemaURL, s.Attrs = 4, "https://example.com/scope", g.attrs(2)
	}
	return telemetry.NewStream(r, s)
}

var words = []string{"alpha", "", "beta gamma", "päyment\n", "\x00nul", "GET /cart?id=7", "ünïcode ✓"}

func (g *Gen) pick(list []string) string { return list[g.R.IntN(len(list))] }

// attrs returns up to limit attributes of all kinds, keys unique.
func (g *Gen) attrs(limit int) telemetry.Attrs {
	n := g.R.IntN(limit + 1)
	var out telemetry.Attrs
	for i := range n {
		out = append(out, telemetry.Attr{Key: fmt.Sprintf("key.%d.%d", i, g.R.IntN(3)), Value: g.value(0)})
	}
	return out
}

func (g *Gen) value(depth int) telemetry.Value {
	kinds := 11
	if depth > 2 {
		kinds = 9
	}
	switch g.R.IntN(kinds) {
	case 0:
		return telemetry.Value{}
	case 1:
		return telemetry.Bool(g.R.IntN(2) == 0)
	case 2:
		return telemetry.Int(int64(g.R.Uint64()) >> g.R.IntN(64))
	case 3:
		return telemetry.Double(g.double())
	case 4:
		return telemetry.Bytes("\xff\x00raw" + g.pick(words))
	case 9:
		list := make([]telemetry.Value, g.R.IntN(4))
		for i := range list {
			list[i] = g.value(depth + 1)
		}
		return telemetry.Array(list)
	case 10:
		var kvs telemetry.Attrs
		for i := range g.R.IntN(4) {
			kvs = append(kvs, telemetry.Attr{Key: fmt.Sprint("k", i), Value: g.value(depth + 1)})
		}
		return telemetry.Map(kvs)
	}
	return telemetry.String(g.pick(words))
}

func (g *Gen) double() float64 {
	special := []float64{0, math.Copysign(0, -1), 1.5, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, 5e-324}
	return special[g.R.IntN(len(special))]
}

func (g *Gen) time() int64 {
	g.n++
	return Base + g.n*g.Spread + g.R.Int64N(g.Spread)
}

// TraceID returns a made-up trace ID.
func (g *Gen) TraceID() (id telemetry.TraceID) {
	binary.BigEndian.PutUint64(id[:8], g.R.Uint64())
	binary.BigEndian.PutUint64(id[8:], g.R.Uint64()|1)
	return id
}

// SpanID returns a made-up span ID.
func (g *Gen) SpanID() (id telemetry.SpanID) {
	binary.BigEndian.PutUint64(id[:], g.R.Uint64()|1)
	return id
}

// RequestID returns a made-up UUID.
func (g *Gen) RequestID() string {
	t := g.TraceID()
	t[6], t[8] = t[6]&0x0f|0x40, t[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", t[0:4], t[4:6], t[6:8], t[8:10], t[10:16])
}

// Log returns one log record.
func (g *Gen) Log() telemetry.Log {
	l := telemetry.Log{
		Stream:   g.Streams[g.R.IntN(len(g.Streams))],
		Time:     g.time(),
		Severity: telemetry.Severity(g.R.IntN(25)),
		Attrs:    g.attrs(5),
	}
	if g.R.IntN(2) == 0 {
		l.TraceID, l.SpanID, l.Flags = g.TraceID(), g.SpanID(), g.R.Uint32()
	}
	if g.R.IntN(2) == 0 {
		l.Observed = l.Time + g.R.Int64N(1e9) - 1e8
		l.SeverityText = g.pick([]string{"INFO", "Warn", ""})
		l.EventName = g.pick(words)
		l.Dropped = g.R.Uint32()
	}
	l.Body = g.value(0)
	if g.R.IntN(3) > 0 {
		l.Body = telemetry.String(fmt.Sprintf("request %s took %d ms", g.RequestID(), g.R.IntN(1000)))
	}
	return l
}

// Span returns one span of the trace.
func (g *Gen) Span(trace telemetry.TraceID, parent telemetry.SpanID) telemetry.Span {
	s := telemetry.Span{
		Stream:   g.Streams[g.R.IntN(len(g.Streams))],
		TraceID:  trace,
		SpanID:   g.SpanID(),
		ParentID: parent,
		Start:    g.time(),
		Kind:     telemetry.SpanKind(g.R.IntN(6)),
		Status:   telemetry.StatusCode(g.R.IntN(3)),
		Name:     g.pick([]string{"GET /", "query", "päy"}),
		Attrs:    g.attrs(5),
	}
	s.End = s.Start + g.R.Int64N(2e9) - 1e8
	if g.R.IntN(2) == 0 {
		s.Flags, s.Dropped = g.R.Uint32(), g.R.Uint32()
		s.DroppedEvents, s.DroppedLinks = g.R.Uint32(), g.R.Uint32()
		s.TraceState, s.StatusMessage = "a=b,c=d", g.pick(words)
	}
	for range g.R.IntN(3) {
		s.Events = append(s.Events, telemetry.Event{
			Time: s.Start + g.R.Int64N(1e9), Name: g.pick(words), Attrs: g.attrs(3), Dropped: uint32(g.R.IntN(3)),
		})
	}
	for range g.R.IntN(3) {
		s.Links = append(s.Links, telemetry.Link{
			TraceID: g.TraceID(), SpanID: g.SpanID(), TraceState: g.pick([]string{"", "x=y"}),
			Flags: g.R.Uint32(), Attrs: g.attrs(3), Dropped: uint32(g.R.IntN(3)),
		})
	}
	return s
}

// Logs returns a batch of n log records.
func (g *Gen) Logs(n int) *telemetry.LogBatch {
	logs := make([]telemetry.Log, n)
	for i := range logs {
		logs[i] = g.Log()
	}
	return LogBatch(logs)
}

// Spans returns a batch of traces of a few spans each, about n in all.
func (g *Gen) Spans(n int) *telemetry.SpanBatch {
	var spans []telemetry.Span
	for len(spans) < n {
		trace, parent := g.TraceID(), telemetry.SpanID{}
		for range 1 + g.R.IntN(6) {
			s := g.Span(trace, parent)
			if g.R.IntN(2) == 0 {
				parent = s.SpanID
			}
			spans = append(spans, s)
		}
	}
	return SpanBatch(spans)
}

// LogBatch returns the batch that the records' OTLP decodes to.
func LogBatch(logs []telemetry.Log) *telemetry.LogBatch {
	b, err := otlp.DecodeLogs(otlp.AppendLogs(nil, logs))
	if err != nil {
		panic(fmt.Sprintf("storagetest: generated logs do not decode: %v", err))
	}
	return b
}

// SpanBatch returns the batch that the spans' OTLP decodes to.
func SpanBatch(spans []telemetry.Span) *telemetry.SpanBatch {
	b, err := otlp.DecodeSpans(otlp.AppendSpans(nil, spans))
	if err != nil {
		panic(fmt.Sprintf("storagetest: generated spans do not decode: %v", err))
	}
	return b
}
