package realtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/logqltest"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/query/traceql/traceqltest"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// as gives each test a tenant of its own on one store: a fresh store without
// the work of making one.
type as struct {
	*elastic.Store
	name string
}

var tenants atomic.Int64

func fresh(s *elastic.Store) as { return as{s, fmt.Sprintf("tenant%d", tenants.Add(1))} }

func (a as) WriteLogs(ctx context.Context, _ string, b *telemetry.LogBatch) (storage.WriteResult, error) {
	return a.Store.WriteLogs(ctx, a.name, b)
}

func (a as) WriteSpans(ctx context.Context, _ string, b *telemetry.SpanBatch) (storage.WriteResult, error) {
	return a.Store.WriteSpans(ctx, a.name, b)
}

func (a as) Logs(ctx context.Context, q storage.LogQuery) iter.Seq2[[]telemetry.Log, error] {
	q.Tenant = a.name
	return a.Store.Logs(ctx, q)
}

func (a as) Spans(ctx context.Context, q storage.SpanQuery) iter.Seq2[[]telemetry.Span, error] {
	q.Tenant = a.name
	return a.Store.Spans(ctx, q)
}

func (a as) CountLogs(ctx context.Context, q storage.LogQuery, width int64, add func(*telemetry.Stream, int, int64)) error {
	q.Tenant = a.name
	return a.Store.CountLogs(ctx, q, width, add)
}

func (a as) CountLogGroups(ctx context.Context, q storage.LogQuery, width int64, by []storage.LogText, add func(storage.LogGroup, int64)) error {
	q.Tenant = a.name
	return a.Store.CountLogGroups(ctx, q, width, by, add)
}

func (a as) SpanGroups(ctx context.Context, q storage.SpanGroupQuery, add func(storage.SpanGroup)) error {
	q.Query.Tenant = a.name
	return a.Store.SpanGroups(ctx, q, add)
}

func (a as) Calls(ctx context.Context, q storage.CallQuery) (*calls.Totals, error) {
	q.Tenant = a.name
	return a.Store.Calls(ctx, q)
}

func (a as) CallSteps(ctx context.Context, q storage.CallQuery, minutes int64) (*calls.Steps, error) {
	q.Tenant = a.name
	return a.Store.CallSteps(ctx, q, minutes)
}

func (a as) LogsVersion(ctx context.Context, _ string, from, to int64) (storage.Version, error) {
	return a.Store.LogsVersion(ctx, a.name, from, to)
}

func (a as) SpansVersion(ctx context.Context, _ string, from, to int64) (storage.Version, error) {
	return a.Store.SpansVersion(ctx, a.name, from, to)
}

func (a as) Streams(ctx context.Context, _ string, sig telemetry.Signal, from, to int64, stats *storage.ReadStats) ([]storage.StreamInfo, error) {
	return a.Store.Streams(ctx, a.name, sig, from, to, stats)
}

func testFiles(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "..", "query", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return paths
}

// TestLogQLFiles runs the files of LogQL, whose answers stand in them.
func TestLogQLFiles(t *testing.T) {
	t.Parallel()
	s := opened(t, config(), deps())
	cases := 0
	for _, path := range testFiles(t, "logql/testdata/*.test") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			r := &logqltest.Runner{Config: logql.DefaultConfig(), Open: func(*testing.T) logqltest.Store { return fresh(s) }}
			cases += r.Run(t, path)
		})
	}
	if cases < 300 {
		t.Errorf("only %d queries", cases)
	}
}

// TestTraceQLFiles asks what the files of TraceQL ask. The answers in them are
// those of the store in memory, which is asked here too.
func TestTraceQLFiles(t *testing.T) {
	t.Parallel()
	s := opened(t, config(), deps())
	cases := 0
	for _, path := range testFiles(t, "traceql/testdata/*.test") {
		t.Run(filepath.Base(path), func(t *testing.T) { cases += traceqlFile(t, fresh(s), path) })
	}
	if cases < 50 {
		t.Errorf("only %d queries", cases)
	}
}

func traceqlFile(t *testing.T, store as, path string) int {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var data, asks []string
	for _, l := range strings.Split(string(raw), "\n") {
		word, _, _ := strings.Cut(l, " ")
		switch word {
		case "search", "range", "instant":
			asks = append(asks, l)
		default:
			if len(asks) == 0 {
				data = append(data, l)
			}
		}
	}
	spans, err := traceqltest.Parse(strings.Join(data, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	storagetest.WriteSpans(t, store, "t", storagetest.SpanBatch(spans))
	memory := &traceqltest.Store{Tenant: "t", All: spans}
	for _, ask := range asks {
		want, got := traceqlAnswer(t, memory, ask), traceqlAnswer(t, store, ask)
		if got != want {
			t.Errorf("%s: %s\n got: %s\nwant: %s", filepath.Base(path), ask, got, want)
		}
	}
	return len(asks)
}

// traceqlAnswer is the whole answer as text.
func traceqlAnswer(t *testing.T, r storage.Reader, ask string) string {
	cfg := traceql.DefaultConfig()
	cfg.BatchTraces = 2
	e := traceql.New(cfg, r, nil, nil)
	kind, rest, _ := strings.Cut(ask, " ")
	base := traceqltest.Base.UnixNano()
	var times []int64
	for range map[string]int{"range": 3, "instant": 2}[kind] {
		word, tail, _ := strings.Cut(rest, " ")
		d, err := time.ParseDuration(word)
		if err != nil {
			t.Fatal(err)
		}
		times, rest = append(times, int64(d)), tail
	}
	q, err := syntax.Parse(rest)
	if err != nil {
		return "error: " + err.Error()
	}
	if kind == "search" {
		if q.Pipeline == nil {
			return "metrics query"
		}
		res, err := e.Search(context.Background(), traceql.SearchRequest{Tenant: "t", Query: q})
		if err != nil {
			return "error: " + err.Error()
		}
		var out strings.Builder
		for _, tr := range res.Traces {
			fmt.Fprintf(&out, "%s %s %s %d\n", tr.TraceID, tr.RootService, tr.RootName, len(tr.Spansets))
			for _, set := range tr.Spansets {
				fmt.Fprintf(&out, " set of %d", set.Matched)
				for _, a := range set.Attrs {
					fmt.Fprintf(&out, " %s=%s", a.Key, a.Value.Text())
				}
				for _, sp := range set.Spans {
					fmt.Fprintf(&out, " %s", sp.Span.SpanID)
					for _, a := range sp.Attrs {
						fmt.Fprintf(&out, " %s=%s", a.Key, a.Value.Text())
					}
				}
			}
		}
		return out.String() + strings.Join(res.Warnings, ";")
	}
	req := traceql.MetricsRequest{Tenant: "t", Query: q, From: base + times[0], To: base + times[1], Instant: kind == "instant", Exemplars: 1000}
	if !req.Instant {
		req.Step = times[2]
	}
	res, err := e.QueryRange(context.Background(), req)
	if err != nil {
		return "error: " + err.Error()
	}
	var out strings.Builder
	for i := range res.Series {
		fmt.Fprintf(&out, "%s %v\n", res.Series[i].PromLabels(), res.Series[i].Values)
		for _, e := range res.Series[i].Exemplars {
			// Spans of the same start and length are as good as each other.
			fmt.Fprintf(&out, "  exemplar %d %v\n", e.Time, e.Value)
		}
	}
	return out.String()
}

// TestSpanMetrics asks random questions of random spans twice: of Elasticsearch,
// which counts in groups, and of the store in memory, which hands spans out.
func TestSpanMetrics(t *testing.T) {
	t.Parallel()
	s := opened(t, config(), deps())
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 51))
		spans := traceqltest.RandomSpans(r)
		for i := range spans {
			spans[i].Start += int64(r.IntN(3) - 1) // at and beside the edges of bins
		}
		store := fresh(s)
		storagetest.WriteSpans(t, store, "t", storagetest.SpanBatch(spans))
		memory := &traceqltest.Store{Tenant: "t", All: spans}
		for range 25 {
			ask := traceqltest.PickOne(r, "range 0s 100ms 20ms ", "range 1ms 90ms 7ms ", "instant 0s 100ms ") + traceqltest.RandomMetrics(r)
			if got, want := traceqlAnswer(t, store, ask), traceqlAnswer(t, memory, ask); got != want {
				t.Errorf("seed %d: %s\n got: %s\nwant: %s", seed, ask, got, want)
			}
		}
	}
}

// both keeps the same in memory and in Elasticsearch.
func both(t *testing.T, s *elastic.Store) (*correlatetest.Store, as) {
	t.Helper()
	const name = "anonymous"
	memory, store := correlatetest.Shop(name), fresh(s)
	storagetest.WriteLogs(t, store, name, storagetest.LogBatch(memory.LogsOf[name]))
	storagetest.WriteSpans(t, store, name, storagetest.SpanBatch(memory.SpansOf[name]))
	return memory, store
}

// TestStories asks for every ID that there is.
func TestStories(t *testing.T) {
	t.Parallel()
	memory, store := both(t, opened(t, config(), deps()))
	ids := []string{correlatetest.TraceHex, strings.ToUpper(correlatetest.TraceHex), "req-8f3a2b", "ord_123abc", "nobody-has-1234567890"}
	for _, id := range ids {
		for hops := range 3 {
			req := correlate.Request{Tenant: "anonymous", ID: id, Hops: hops}
			if got, want := story(t, store, req), story(t, memory, req); got != want {
				t.Errorf("%s, %d hops:\n got: %s\nwant: %s", id, hops, got, want)
			}
		}
	}
}

func story(t *testing.T, r storage.Reader, q correlate.Request) string {
	t.Helper()
	a, err := correlate.New(correlate.DefaultConfig(), r, nil).Correlate(t.Context(), q)
	if errors.Is(err, correlate.ErrNotFound) {
		return "not found"
	}
	return text(t, a, err)
}

func text(t *testing.T, answer any, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(answer, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestServiceMap(t *testing.T) {
	t.Parallel()
	memory, store := both(t, opened(t, config(), deps()))
	for _, q := range []servicemap.Query{
		{Tenant: "anonymous", From: correlatetest.At(0), To: correlatetest.At(60_000)},
		{Tenant: "anonymous", From: correlatetest.At(10), To: correlatetest.At(60)},
		{Tenant: "anonymous", From: correlatetest.At(0), To: correlatetest.At(60_000)},
	} {
		of := func(r storage.Reader) string {
			m, err := servicemap.New(servicemap.DefaultConfig(), r).Map(t.Context(), q)
			return text(t, m, err)
		}
		if got, want := of(store), of(adding{memory}); got != want {
			t.Errorf("%+v:\n got: %s\nwant: %s", q, got, want)
		}
	}
}

// TestRandomMaps draws maps of random spans, of which some come late or twice,
// stand for others, or go over queues, from Elasticsearch and from memory.
func TestRandomMaps(t *testing.T) {
	t.Parallel()
	s := opened(t, config(), deps())
	base := traceqltest.Base.UnixNano()
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 52))
		spans := traceqltest.RandomSpans(r)
		for i := range spans {
			decorate(r, &spans[i])
		}
		store, memory := fresh(s), &traceqltest.Store{Tenant: "t"}
		for len(spans) > 0 { // each part is later than the one before
			part := spans[:1+r.IntN(len(spans))]
			spans = spans[len(part):]
			if r.IntN(2) == 0 {
				part = append(slices.Clone(part), part[0])
			}
			memory.Add(part...)
			storagetest.WriteSpans(t, store, "t", storagetest.SpanBatch(part))
			for _, q := range []servicemap.Query{{Tenant: "t", From: base, To: base + 1e9}, {Tenant: "t", From: base + 3e7, To: base + 5e7 + 1}} {
				of := func(r storage.Reader) string {
					m, err := servicemap.New(servicemap.DefaultConfig(), r).Map(t.Context(), q)
					return text(t, m, err)
				}
				if got, want := of(store), of(adding{memory}); got != want {
					t.Fatalf("seed %d, %+v:\n got: %s\nwant: %s", seed, q, got, want)
				}
			}
		}
	}
}

// decorate gives a span what the map looks at.
func decorate(r *rand.Rand, s *telemetry.Span) {
	add := func(key, value string) {
		s.Attrs = append(s.Attrs, telemetry.Attr{Key: key, Value: telemetry.String(value)})
	}
	switch r.IntN(6) {
	case 0:
		add("messaging.system", "kafka")
		add("messaging.destination.name", traceqltest.PickOne(r, "orders", "mails"))
		s.Kind = []telemetry.SpanKind{telemetry.SpanKindProducer, telemetry.SpanKindConsumer}[r.IntN(2)]
	case 1:
		add("db.system", "postgresql")
		add("server.address", "db-1:5432")
	case 2:
		add("http.url", "https://"+traceqltest.PickOne(r, "s1", "s2.default.svc", "pay.example.com")+"/x")
	case 3:
		add("peer.service", traceqltest.PickOne(r, "s0", "mailer"))
	}
	if r.IntN(4) == 0 {
		s.TraceState = "ot=th:8"
	}
}
