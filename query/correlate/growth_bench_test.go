package correlate_test

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

var (
	growthRecords = flag.String("growth.records", "50000,200000", "how many records the stores have grown to when they are asked")
	growthDir     = flag.String("growth.dir", "", "where the stores are kept, to be used again; without it they are made for each run")
)

// growth is a store that has grown by requests, two hours of them for every million
// records, which end now. A request is six lines and four spans of four
// services, 500 requests or so in between.
type growth struct {
	store    *local.Store
	streams  []*telemetry.Stream
	requests int
	first    int64 // when the first request came
}

const (
	growthEvery   = int64(72 * time.Millisecond)
	growthLogs    = 6
	growthSpans   = 4
	growthBatch   = 2500
	growthPerPage = growthBatch * (growthLogs + growthSpans)
)

// request returns the n-th request's IDs and when it came.
func (g *growth) request(n int) (trace telemetry.TraceID, id string, at int64) {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	binary.BigEndian.PutUint64(trace[:], r.Uint64())
	binary.BigEndian.PutUint64(trace[8:], r.Uint64())
	u := r.Uint64()
	id = fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", u>>32, u>>16&0xffff, u&0xfff, u>>12&0xfff, r.Uint64()>>16)
	return trace, id, g.first + int64(n)*growthEvery + r.Int64N(growthEvery)
}

// batch makes up the records of growthBatch requests from n on.
func (g *growth) batch(n int) (logs []telemetry.Log, spans []telemetry.Span) {
	for i := n; i < n+growthBatch; i++ {
		trace, id, at := g.request(i)
		r := rand.New(rand.NewPCG(uint64(i), 8))
		var root telemetry.SpanID
		for k := range growthSpans {
			var span telemetry.SpanID
			binary.BigEndian.PutUint64(span[:], r.Uint64()|1)
			s := telemetry.Span{
				Stream: g.streams[(i+k)%len(g.streams)], TraceID: trace, SpanID: span, ParentID: root,
				Start: at + int64(k)*1e6, End: at + int64(k)*1e6 + r.Int64N(3e8), Kind: telemetry.SpanKind(2 + k%2), Name: "GET /api/v1/cart",
				Attrs: telemetry.Attrs{
					{Key: "http.request.method", Value: telemetry.String("GET")},
					{Key: "url.path", Value: telemetry.String(fmt.Sprintf("/api/v1/cart/%d", r.IntN(3000)))},
					{Key: "http.response.status_code", Value: telemetry.Int(200)},
				},
			}
			if k == 0 {
				root = span
				s.Attrs = append(s.Attrs, telemetry.Attr{Key: "request.id", Value: telemetry.String(id)})
			}
			spans = append(spans, s)
		}
		for k := range growthLogs {
			l := telemetry.Log{
				Stream: g.streams[(i+k)%len(g.streams)], Time: at + int64(k)*2e6, Severity: telemetry.Severity(9), SeverityText: "INFO",
				Body:  telemetry.String(fmt.Sprintf("cart of user %d changed in %d ms, %d items", r.IntN(5000), r.IntN(900), r.IntN(30))),
				Attrs: telemetry.Attrs{{Key: "thread", Value: telemetry.String(fmt.Sprintf("worker-%d", r.IntN(16)))}},
			}
			if k%2 == 0 {
				l.Body = telemetry.String(fmt.Sprintf("handled request %s of user %d in %d ms, status 200", id, r.IntN(5000), r.IntN(900)))
			}
			if k != 2 {
				l.TraceID = trace
			}
			logs = append(logs, l)
		}
	}
	return logs, spans
}

// written is a batch that is ready for the store.
type written struct {
	logs  *telemetry.LogBatch
	spans *telemetry.SpanBatch
}

// growTo writes until the store holds so many records, and lets it settle. The
// records are made up on another core meanwhile.
func (g *growth) growTo(b *testing.B, records int) {
	b.Helper()
	ready := make(chan written, 2)
	want := records / (growthLogs + growthSpans)
	go func() {
		defer close(ready)
		for n := g.requests; n < want; n += growthBatch {
			logs, spans := g.batch(n)
			ready <- written{storagetest.LogBatch(logs), storagetest.SpanBatch(spans)}
		}
	}()
	for w := range ready {
		storagetest.WriteLogs(b, g.store, tenant, w.logs)
		storagetest.WriteSpans(b, g.store, tenant, w.spans)
		g.requests += growthBatch
	}
	if err := g.store.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := g.store.Tidy(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// growthSizes are the sizes asked for, in full batches.
func growthSizes(b *testing.B) (sizes []int) {
	for s := range strings.SplitSeq(*growthRecords, ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		sizes = append(sizes, (n+growthPerPage-1)/growthPerPage*growthPerPage)
	}
	return sizes
}

// grown opens the store of a size. One that a run before has written to the end
// is used again.
func grown(b *testing.B, dir string, records int) *growth {
	b.Helper()
	dir = filepath.Join(dir, strconv.Itoa(records))
	done := filepath.Join(dir, "first-request")
	g := &growth{streams: storagetest.NewGen(1).Streams}
	if text, err := os.ReadFile(done); err == nil {
		if g.first, err = strconv.ParseInt(string(text), 10, 64); err != nil {
			b.Fatal(err)
		}
		g.requests = records / (growthLogs + growthSpans)
	} else {
		g.first = time.Now().UnixNano() - int64(records)/(growthLogs+growthSpans)*growthEvery
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
	}
	cfg := local.DefaultConfig()
	cfg.Dir, cfg.Retention, cfg.DedupWindow = filepath.Join(dir, "store"), local.Retention{}, 0
	cfg.WriteWait = model.Duration(time.Hour) // the machine may be busy with other work
	var err error
	if g.store, err = local.Open(cfg, local.Deps{}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = g.store.Close() })
	g.growTo(b, records)
	if err := os.WriteFile(done, []byte(strconv.FormatInt(g.first, 10)), 0o600); err != nil {
		b.Fatal(err)
	}
	return g
}

// BenchmarkGrowth asks for one ID in stores of growing size, without a time
// range. What it took should not depend on the size.
func BenchmarkGrowth(b *testing.B) {
	dir := *growthDir
	if dir == "" {
		dir = b.TempDir()
	}
	for _, size := range growthSizes(b) {
		g := grown(b, dir, size)
		questions := g.questions(b, correlate.New(correlate.DefaultConfig(), g.store, nil))
		for _, name := range slices.Sorted(maps.Keys(questions)) {
			b.Run(fmt.Sprintf("%s/records=%d", name, size), func(b *testing.B) { g.ask(b, questions[name]) })
		}
	}
}

// questions are the ways to ask for a request, by its IDs.
func (g *growth) questions(b *testing.B, e *correlate.Engine) map[string]func(trace telemetry.TraceID, id string) int {
	return map[string]func(trace telemetry.TraceID, id string) int{
		"text": func(_ telemetry.TraceID, id string) int {
			return g.count(b, storage.LogQuery{Tenant: tenant, Text: []string{id}, Order: storage.NewestFirst}, growthLogs/2)
		},
		"trace-logs": func(t telemetry.TraceID, _ string) int {
			return g.count(b, storage.LogQuery{Tenant: tenant, IDs: []string{t.String()}}, growthLogs-1)
		},
		"trace": func(t telemetry.TraceID, _ string) int {
			return g.spans(b, t)
		},
		"correlate": func(_ telemetry.TraceID, id string) int {
			a, err := e.Correlate(b.Context(), correlate.Request{Tenant: tenant, ID: id, Hops: -1})
			if err != nil || len(a.Timeline) < growthLogs+growthSpans {
				b.Fatalf("%s: %v, %v", id, a, err)
			}
			return len(a.Timeline)
		},
	}
}

// ask asks for requests of all times.
func (g *growth) ask(b *testing.B, ask func(telemetry.TraceID, string) int) {
	r := rand.New(rand.NewPCG(1, uint64(g.requests)))
	var took []time.Duration
	for b.Loop() {
		trace, id, _ := g.request(r.IntN(g.requests))
		began := time.Now()
		ask(trace, id)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)*9/10].Microseconds())/1000, "p90-ms")
}

func (g *growth) count(b *testing.B, q storage.LogQuery, want int) (n int) {
	for batch, err := range g.store.Logs(context.Background(), q) {
		if err != nil {
			b.Fatal(err)
		}
		n += len(batch)
	}
	if n < want {
		b.Fatalf("%d lines, want %d", n, want)
	}
	return n
}

func (g *growth) spans(b *testing.B, t telemetry.TraceID) (n int) {
	for batch, err := range g.store.Spans(context.Background(), storage.SpanQuery{Tenant: tenant, TraceIDs: []telemetry.TraceID{t}}) {
		if err != nil {
			b.Fatal(err)
		}
		n += len(batch)
	}
	if n != growthSpans {
		b.Fatalf("%d spans of a trace, want %d", n, growthSpans)
	}
	return n
}
