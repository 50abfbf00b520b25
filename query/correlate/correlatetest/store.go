// Package correlatetest holds a storage.Reader over plain slices, for the
// tests of the rooms that read logs and spans. It keeps to the contract of
// package storage to the letter and is slow.
package correlatetest

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Store keeps logs and spans of tenants.
type Store struct {
	LogsOf  map[string][]telemetry.Log
	SpansOf map[string][]telemetry.Span
	// Err, if set, ends every read.
	Err error
	// Warnings are added to the stats of every read.
	Warnings []string
	// LogQueries and SpanQueries are the questions that were asked.
	LogQueries  []storage.LogQuery
	SpanQueries []storage.SpanQuery
}

// New returns an empty store.
func New() *Store {
	return &Store{LogsOf: map[string][]telemetry.Log{}, SpansOf: map[string][]telemetry.Span{}}
}

// AddLogs keeps logs of a tenant.
func (s *Store) AddLogs(tenant string, logs ...telemetry.Log) {
	s.LogsOf[tenant] = append(s.LogsOf[tenant], logs...)
}

// AddSpans keeps spans of a tenant.
func (s *Store) AddSpans(tenant string, spans ...telemetry.Span) {
	s.SpansOf[tenant] = append(s.SpansOf[tenant], spans...)
}

func carries(ids []correlation.ID, want []string) bool {
	if len(want) == 0 {
		return true
	}
	for _, id := range ids {
		for _, w := range want {
			if id.Value == correlation.Normalize(w) {
				return true
			}
		}
	}
	return false
}

func within(t, from, to int64) bool { return t >= from && (to == 0 || t < to) }

// Logs implements storage.Reader.
func (s *Store) Logs(ctx context.Context, q storage.LogQuery) iter.Seq2[[]telemetry.Log, error] {
	return func(yield func([]telemetry.Log, error) bool) {
		s.LogQueries = append(s.LogQueries, q)
		var out []telemetry.Log
		for _, l := range s.LogsOf[q.Tenant] {
			if within(l.Time, q.From, q.To) && (q.Stream == nil || q.Stream(l.Stream)) && carries(correlation.AppendLog(nil, &l), q.IDs) {
				out = append(out, l)
			}
		}
		if q.Order != storage.OrderAny {
			slices.SortStableFunc(out, func(a, b telemetry.Log) int { return cmp.Compare(a.Time, b.Time) })
		}
		if q.Order == storage.NewestFirst {
			slices.Reverse(out)
		}
		deliver(ctx, s, q.Stats, out, yield)
	}
}

// Spans implements storage.Reader.
func (s *Store) Spans(ctx context.Context, q storage.SpanQuery) iter.Seq2[[]telemetry.Span, error] {
	return func(yield func([]telemetry.Span, error) bool) {
		s.SpanQueries = append(s.SpanQueries, q)
		var out []telemetry.Span
		for _, sp := range s.SpansOf[q.Tenant] {
			if within(sp.Start, q.From, q.To) && (q.Stream == nil || q.Stream(sp.Stream)) && sp.Duration() >= q.MinDuration &&
				(len(q.TraceIDs) == 0 || slices.Contains(q.TraceIDs, sp.TraceID)) && carries(correlation.AppendSpan(nil, &sp), q.IDs) {
				out = append(out, sp)
			}
		}
		deliver(ctx, s, q.Stats, out, yield)
	}
}

// deliver yields in batches of two, so that readers see more than one.
func deliver[T any](ctx context.Context, s *Store, stats *storage.ReadStats, out []T, yield func([]T, error) bool) {
	if stats != nil {
		stats.Rows += int64(len(out))
		stats.Warnings = append(stats.Warnings, s.Warnings...)
	}
	for batch := range slices.Chunk(out, 2) {
		if err := ctx.Err(); err != nil {
			yield(nil, err)
			return
		}
		if !yield(batch, nil) {
			return
		}
	}
	if s.Err != nil {
		yield(nil, s.Err)
	}
}

// Streams implements storage.Reader.
func (s *Store) Streams(_ context.Context, tenant string, signal telemetry.Signal, from, to int64, stats *storage.ReadStats) ([]storage.StreamInfo, error) {
	if stats != nil {
		stats.Warnings = append(stats.Warnings, s.Warnings...)
	}
	byID := map[telemetry.StreamID]*storage.StreamInfo{}
	see := func(st *telemetry.Stream, t int64) {
		if st == nil || !within(t, from, to) {
			return
		}
		i := byID[st.ID]
		if i == nil {
			i = &storage.StreamInfo{Stream: st, First: t, Last: t}
			byID[st.ID] = i
		}
		i.Records++
		i.First, i.Last = min(i.First, t), max(i.Last, t)
	}
	if signal == telemetry.Logs {
		for _, l := range s.LogsOf[tenant] {
			see(l.Stream, l.Time)
		}
	} else {
		for _, sp := range s.SpansOf[tenant] {
			see(sp.Stream, sp.Start)
		}
	}
	out := make([]storage.StreamInfo, 0, len(byID))
	for _, i := range byID {
		out = append(out, *i)
	}
	slices.SortFunc(out, func(a, b storage.StreamInfo) int { return bytes.Compare(a.Stream.ID[:], b.Stream.ID[:]) })
	return out, s.Err
}

// Tenants implements storage.Reader.
func (s *Store) Tenants(context.Context) ([]string, error) {
	var out []string
	for t := range s.LogsOf {
		out = append(out, t)
	}
	for t := range s.SpansOf {
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return out, s.Err
}

// Stream returns the stream of a service with these resource attributes, given
// as keys and values in turn.
func Stream(service string, keysAndValues ...string) *telemetry.Stream {
	attrs := append(telemetry.Attrs{{Key: telemetry.AttrServiceName, Value: telemetry.String(service)}}, Attrs(keysAndValues...)...)
	return telemetry.NewStream(telemetry.Resource{Attrs: attrs}, telemetry.Scope{Name: "test"})
}

// Attrs returns string attributes of keys and values in turn.
func Attrs(keysAndValues ...string) telemetry.Attrs {
	var out telemetry.Attrs
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		out = append(out, telemetry.Attr{Key: keysAndValues[i], Value: telemetry.String(keysAndValues[i+1])})
	}
	return out
}

// Trace returns the trace ID of a short hex text.
func Trace(hex string) telemetry.TraceID {
	id, _ := telemetry.ParseTraceID(hex)
	return id
}

// Span returns the span ID of a short hex text.
func Span(hex string) telemetry.SpanID {
	id, _ := telemetry.ParseSpanID(hex)
	return id
}

// Epoch is when the stories of the tests begin.
var Epoch = time.Date(2031, 3, 1, 10, 0, 0, 0, time.UTC)

// At returns the Unix nanoseconds ms milliseconds after Epoch.
func At(ms int) int64 { return Epoch.Add(time.Duration(ms) * time.Millisecond).UnixNano() }

// TraceHex is the trace of Shop.
const TraceHex = "4bf92f3577b34da6a3ce929d0e0e4736"

// Shop fills a store with one story: a gateway calls checkout, which reads
// Postgres, pays at an outside host, fails at stock, and publishes an order
// that shipping consumes in a trace of its own; audit has logs alone, with
// nothing but the request's ID.
func Shop(tenant string) *Store {
	s := New()
	gw, co, st, sh, au := Stream("gateway"), Stream("checkout", "k8s.pod.name", "checkout-7d9f8b6c5d-x2x4z"), Stream("stock"), Stream("shipping"), Stream("audit")
	t1, t2 := Trace(TraceHex), Trace("aaaa0000bbbb1111cccc2222dddd3333")
	mk := func(st *telemetry.Stream, trace telemetry.TraceID, id, parent string, kind telemetry.SpanKind, name string, from, to int, attrs ...string) telemetry.Span {
		return telemetry.Span{Stream: st, TraceID: trace, SpanID: Span(id), ParentID: Span(parent), Kind: kind, Name: name, Start: At(from), End: At(to), Attrs: Attrs(attrs...)}
	}
	const server, client, internal, producer, consumer = telemetry.SpanKindServer, telemetry.SpanKindClient, telemetry.SpanKindInternal, telemetry.SpanKindProducer, telemetry.SpanKindConsumer
	failed := mk(st, t1, "a6", "a5", server, "Reserve", 42, 58, "rpc.system", "grpc")
	failed.Status, failed.StatusMessage = telemetry.StatusError, "out of stock"
	failed.Events = []telemetry.Event{{Time: At(55), Name: "exception", Attrs: Attrs("exception.type", "OutOfStock", "exception.message", "sku-9 is sold out")}}
	call := mk(co, t1, "a5", "a3", client, "stock.Reserve", 40, 60, "rpc.system", "grpc")
	call.Status = telemetry.StatusError
	ship := mk(sh, t2, "b1", "", consumer, "orders process", 200, 240, "messaging.system", "kafka", "messaging.destination.name", "orders")
	ship.Links = []telemetry.Link{{TraceID: t1, SpanID: Span("a8")}}
	s.AddSpans(tenant,
		mk(gw, t1, "a1", "", server, "POST /orders", 0, 100, "http.request.method", "POST", "http.request.header.x_request_id", "req-8f3a2b"),
		mk(gw, t1, "a2", "a1", client, "POST checkout", 5, 95, "http.request.method", "POST", "server.address", "checkout"),
		mk(co, t1, "a3", "a2", server, "POST /checkout", 10, 90, "http.request.method", "POST", "order.id", "ord_123abc"),
		mk(co, t1, "a4", "a3", client, "SELECT orders", 15, 25, "db.system.name", "postgresql", "server.address", "db-1", "db.namespace", "shop"),
		call, failed,
		mk(co, t1, "a7", "a3", internal, "price", 62, 66),
		mk(co, t1, "a9", "a7", client, "POST /charge", 63, 65, "http.request.method", "POST", "server.address", "pay.example.com"),
		mk(co, t1, "a8", "a3", producer, "orders publish", 70, 72, "messaging.system", "kafka", "messaging.destination.name", "orders"),
		ship)
	lg := func(st *telemetry.Stream, trace telemetry.TraceID, span string, ms int, sev telemetry.Severity, body string, attrs ...string) telemetry.Log {
		return telemetry.Log{Stream: st, TraceID: trace, SpanID: Span(span), Time: At(ms), Severity: sev, Body: telemetry.String(body), Attrs: Attrs(attrs...)}
	}
	s.AddLogs(tenant,
		lg(co, t1, "a3", 12, telemetry.SeverityInfo, "placing order", "order.id", "ord_123abc"),
		lg(st, t1, "a6", 56, telemetry.SeverityError, "sku-9 is sold out"),
		lg(gw, telemetry.TraceID{}, "", 1, telemetry.SeverityInfo, `10.0.0.7 "POST /orders" 201 req-8f3a2b`),
		lg(au, telemetry.TraceID{}, "", 30, telemetry.SeverityInfo, `{"requestId":"req-8f3a2b","actor":"jo"}`),
		lg(au, telemetry.TraceID{}, "", 500, telemetry.SeverityInfo, `{"requestId":"req-other1","actor":"jo"}`))
	return s
}
