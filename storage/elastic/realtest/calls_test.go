package realtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/query/traceql/traceqltest"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// adding is a store that hands out spans, and adds calls up from all of them each
// time: what others say has to be what it says.
type adding struct{ storage.Reader }

func (a adding) Calls(ctx context.Context, q storage.CallQuery) (*calls.Totals, error) {
	steps, err := a.CallSteps(ctx, q, 0)
	return steps.Range, err
}

func (a adding) CallSteps(ctx context.Context, q storage.CallQuery, minutes int64) (*calls.Steps, error) {
	rows := calls.NewRows(calls.NewNames())
	steps := calls.NewSteps(rows.Names, q.Samples, minutes)
	for batch, err := range a.Spans(ctx, storage.SpanQuery{Tenant: q.Tenant}) {
		if err != nil {
			return steps, err
		}
		for i := range batch {
			rows.Add(&batch[i], false)
		}
	}
	steps.Sum(rows, q.Rules, q.From, q.To)
	return steps, nil
}

// dayBegins is when the records of the test begin: hours that are long over.
var dayBegins = time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC).UnixNano()

// traffic makes traces whose spans may be minutes apart, so that hours depend on
// those beside them.
type traffic struct {
	r       *rand.Rand
	streams []*telemetry.Stream
}

func newTraffic(seed uint64) *traffic {
	f := &traffic{r: rand.New(rand.NewPCG(seed, 53))}
	for i := range 5 {
		f.streams = append(f.streams, correlatetest.Stream(fmt.Sprintf("s%d", i)))
	}
	return f
}

func (f *traffic) id(b []byte) {
	for i := range b {
		b[i] = byte(f.r.IntN(256))
	}
}

// trace makes a request to one service, which calls others.
func (f *traffic) trace(at int64, slow int64, failing int) (out []telemetry.Span) {
	var trace telemetry.TraceID
	f.id(trace[:])
	span := func(service int, kind telemetry.SpanKind, parent telemetry.SpanID, at int64) *telemetry.Span {
		s := telemetry.Span{Stream: f.streams[service], TraceID: trace, ParentID: parent, Kind: kind, Name: "op", Start: at, End: at + slow*f.r.Int64N(40e6)}
		f.id(s.SpanID[:])
		if f.r.IntN(100) < failing {
			s.Status = telemetry.StatusError
		}
		if f.r.IntN(30) == 0 {
			s.Name = "GET /users/" + secret
		}
		decorate(f.r, &s)
		out = append(out, s)
		return &out[len(out)-1]
	}
	gap := func() int64 {
		if f.r.IntN(8) == 0 {
			return f.r.Int64N(int64(12 * time.Minute))
		}
		return f.r.Int64N(5e6)
	}
	id := span(0, telemetry.SpanKindServer, telemetry.SpanID{}, at).SpanID
	for range f.r.IntN(3) {
		called := 1 + f.r.IntN(4)
		at += gap()
		client := span(0, telemetry.SpanKindClient, id, at).SpanID
		if f.r.IntN(5) > 0 {
			span(called, telemetry.SpanKindServer, client, at+gap())
		}
	}
	return out
}

// day is thirty hours of requests, the last two of which go less well.
func (f *traffic) day() (out []telemetry.Span) {
	for minute := range int64(30 * 60) {
		slow, failing, n := int64(1), 1, 1
		if minute >= 28*60 {
			slow, failing, n = 5, 20, 8
		}
		for range n {
			out = append(out, f.trace(dayBegins+minute*calls.Minute+f.r.Int64N(calls.Minute), slow, failing)...)
		}
	}
	return out
}

// mapRanges are hours that maps are asked for.
var mapRanges = func() (out [][2]int64) {
	hour := int64(time.Hour)
	for _, r := range [][2]int64{
		{29 * hour, 30 * hour}, {28*hour + 17*calls.Minute + 123_456_789, 29*hour + 30*calls.Minute + 1}, {hour / 2, 29*hour + 1},
		{28*hour + 5e9, 28*hour + 6e9}, {40 * hour, 41 * hour},
	} {
		out = append(out, [2]int64{dayBegins + r[0], dayBegins + r[1]})
	}
	return out
}()

// sameMaps asks all stores for the maps that all spans tell of. Durations are the
// same as exactly as sums know them. The embedded store is asked too, unless it is
// nil: it keeps other samples.
func sameMaps(t *testing.T, when string, want storage.Reader, embedded *local.Store, others ...storage.Reader) {
	t.Helper()
	for _, r := range mapRanges {
		of := func(s storage.Reader) *servicemap.Map {
			m, err := servicemap.New(servicemap.DefaultConfig(), s).Map(t.Context(), servicemap.Query{Tenant: "me", From: r[0], To: r[1]})
			if err != nil {
				t.Fatal(err)
			}
			roundMap(m)
			return m
		}
		m := of(want)
		expected := text(t, m, nil)
		for i, s := range others {
			if got := text(t, of(s), nil); got != expected {
				t.Fatalf("%s: hours %v to %v, store %d: %s", when, hours(r[0]), hours(r[1]), i, difference(got, expected))
			}
		}
		if embedded == nil {
			continue
		}
		got := of(embedded)
		forgetSamples(m)
		forgetSamples(got)
		if got, expected := text(t, got, nil), text(t, m, nil); got != expected {
			t.Fatalf("%s: hours %v to %v, the embedded store: %s", when, hours(r[0]), hours(r[1]), difference(got, expected))
		}
	}
}

func hours(at int64) float64 { return time.Duration(at - dayBegins).Hours() }

func difference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return "got\n" + strings.Join(a[max(i-12, 0):min(i+6, len(a))], "\n") + "\nwant\n" + strings.Join(b[max(i-12, 0):min(i+6, len(b))], "\n")
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}

func roundMap(m *servicemap.Map) {
	round := func(list ...*float64) {
		for _, ms := range list {
			*ms = float64(calls.Nearest(int64(math.Round(*ms * 1e6))))
		}
	}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		round(&n.P50, &n.P95, &n.P99)
	}
	for i := range m.Edges {
		e := &m.Edges[i]
		round(&e.P50, &e.P95, &e.P99)
	}
}

func forgetSamples(m *servicemap.Map) {
	for i := range m.Nodes {
		for j := range m.Nodes[i].Reasons {
			m.Nodes[i].Reasons[j].TraceID = ""
		}
	}
	for i := range m.Edges {
		m.Edges[i].SampleTraceIDs = nil
	}
	for i := range m.Unpaired {
		m.Unpaired[i].SampleTraceIDs = nil
	}
}

// hoursRead asks for whole hours, and returns how many spans were read for it.
func hoursRead(t *testing.T, s *elastic.Store) int64 {
	t.Helper()
	var stats storage.ReadStats
	q := storage.CallQuery{Tenant: "me", From: dayBegins, To: dayBegins + 30*int64(time.Hour), Rules: calls.DefaultRules(), Samples: 5, Stats: &stats}
	if _, err := s.Calls(t.Context(), q); err != nil || len(stats.Warnings) > 0 {
		t.Fatal(err, stats.Warnings)
	}
	return stats.Rows
}

// TestMapsOfBothStores: the same question gives the same map, health and reasons
// from the embedded store, from Elasticsearch whether sums of calls are kept there
// or not, and from all spans at once.
func TestMapsOfBothStores(t *testing.T) {
	t.Parallel()
	f, cfg, d := newTraffic(1), config(), deps()
	quick(&cfg)
	cfg.DeletionEvery = model.Duration(20 * time.Millisecond)
	cfg.PageRows = 2000
	d.Selectors = selectors
	s := open(t, cfg, d)
	other := d
	other.FS = deps().FS
	second := opened(t, cfg, other)
	embedded := embeddedStore(t)
	all := &traceqltest.Store{Tenant: "me"}
	write := func(to storage.Writer, spans []telemetry.Span) {
		t.Helper()
		for part := range slices.Chunk(spans, 1000) {
			storagetest.WriteSpans(t, to, "me", storagetest.SpanBatch(part))
			storagetest.WriteSpans(t, embedded, "me", storagetest.SpanBatch(part))
		}
		all.Add(spans...)
		if err := embedded.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	same := func(when string, stores ...storage.Reader) {
		t.Helper()
		sameMaps(t, when, adding{all}, embedded, stores...)
	}
	spans := f.day()
	var late, later []telemetry.Span
	spans = slices.DeleteFunc(spans, func(s telemetry.Span) bool {
		switch {
		case s.Kind == telemetry.SpanKindServer && !s.ParentID.IsZero() && f.r.IntN(40) == 0:
			late = append(late, s)
			return true
		case f.r.IntN(60) == 0:
			later = append(later, s)
			return true
		}
		return false
	})
	write(s, spans)
	same("read", s, s)
	if n := count(t, "clew-calls-"+cfg.Dataset); n < 25 {
		t.Errorf("the sums of %d hours are kept", n)
	}
	hoursRead(t, s)
	if n := hoursRead(t, s); n != 0 {
		t.Errorf("%d spans are read again", n)
	}
	write(s, late)
	same("with late spans", s)
	write(second, later)
	same("with late spans of another process", second, s)
	hoursRead(t, s)
	if n := hoursRead(t, second); n != 0 {
		t.Errorf("%d spans are read again by another process", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = opened(t, cfg, d)
	if n := hoursRead(t, s); n != 0 {
		t.Errorf("%d spans are read again after a restart", n)
	}
	same("after a restart", s)
	write(s, slices.Clone(late[:3])) // the same spans again, in another request
	same("with doubles", s, second)
	sameSteps(t, s, adding{all})
	deleteSecret(t, s, cfg)
	all.All = slices.DeleteFunc(all.All, func(s telemetry.Span) bool { return strings.Contains(s.Name, secret) })
	sameMaps(t, "after a deletion", adding{all}, nil, s, second)
}

func embeddedStore(t *testing.T) *local.Store {
	t.Helper()
	cfg := local.DefaultConfig()
	cfg.Dir, cfg.Retention = "/data", local.Retention{}
	s, err := local.Open(cfg, local.Deps{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// deleteSecret deletes spans, and looks that nothing made of them stays.
func deleteSecret(t *testing.T, s *elastic.Store, cfg elastic.Config) {
	t.Helper()
	d, err := s.Delete(t.Context(), storage.Deletion{Tenant: "me", Signal: telemetry.Traces, Query: secret})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the deletion to be done", func() bool {
		list, err := s.Deletions(t.Context(), "me")
		return err == nil && slices.ContainsFunc(list, func(x storage.Deletion) bool { return x.ID == d.ID && x.Done != 0 })
	})
	if n := count(t, "clew-calls-"+cfg.Dataset); n != 0 {
		t.Errorf("sums of %d hours are still there after the deletion", n)
	}
}

// sameSteps compares calls step by step.
func sameSteps(t *testing.T, got, want storage.CallReader) {
	t.Helper()
	for _, minutes := range []int64{1, 10, 60} {
		q := storage.CallQuery{Tenant: "me", From: dayBegins + 27*int64(time.Hour) + 12345, To: dayBegins + 29*int64(time.Hour) + 7*calls.Minute + 5, Rules: calls.DefaultRules(), Samples: 2}
		of := func(r storage.CallReader) string {
			steps, err := r.CallSteps(t.Context(), q, minutes)
			if err != nil {
				t.Fatal(err)
			}
			lines := map[string]any{}
			names := steps.Range.Names
			for service := range steps.Range.Senders {
				lines["sends "+names.Node(service).ID] = true
			}
			for first, step := range steps.Of {
				for k, tally := range step.Calls {
					key := fmt.Sprintf("%d %s %s %s %v", first, names.Node(k.Source).ID, names.Node(k.Target).ID, names.Node(k.Protocol).ID, k.Served)
					if k.Caller >= 0 {
						key += " " + names.Node(k.Caller).ID
					}
					bins := map[int]int64{}
					tally.Durations.Each(func(dur, n int64) { bins[calls.BinOf(dur)] += n })
					lines[key] = []any{tally.Calls, tally.Errors, tally.Weight, tally.Samples, bins}
				}
			}
			b, err := json.MarshalIndent(lines, "", " ")
			return text(t, string(b), err)
		}
		if g, w := of(got), of(want); g != w {
			t.Fatalf("steps of %d minutes: %s", minutes, difference(strings.ReplaceAll(g, `\n`, "\n"), strings.ReplaceAll(w, `\n`, "\n")))
		}
	}
}
