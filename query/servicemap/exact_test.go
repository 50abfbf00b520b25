package servicemap_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// world makes traces of a topology of its own.
type world struct {
	r       *rand.Rand
	streams []*telemetry.Stream
	calls   [][]int // whom each service calls
	spans   []telemetry.Span
	trace   telemetry.TraceID
	short   bool // IDs of 8 bytes, as Zipkin's and Datadog's
}

// began is when the first trace begins, in no whole minute.
var began = time.Date(2026, 3, 4, 22, 17, 31, 123_456_789, time.UTC).UnixNano()

// lasts is how long traces begin.
const lasts = 150 * time.Minute

func newWorld(seed uint64) *world {
	w := &world{r: rand.New(rand.NewPCG(seed, 77)), short: seed%3 == 1}
	n := 2 + w.r.IntN(6)
	for i := range n {
		attrs := telemetry.Attrs{{Key: "service.name", Value: telemetry.String(fmt.Sprintf("s%d", i))}}
		if i%3 == 2 {
			attrs = append(attrs, telemetry.Attr{Key: "service.namespace", Value: telemetry.String("shop")})
		}
		w.streams = append(w.streams, telemetry.NewStream(telemetry.Resource{Attrs: attrs}, telemetry.Scope{}))
		called := []int{}
		for range w.r.IntN(4) {
			called = append(called, w.r.IntN(n))
		}
		w.calls = append(w.calls, called)
	}
	return w
}

func (w *world) id() (id telemetry.SpanID) {
	for i := range id {
		id[i] = byte(w.r.IntN(256))
	}
	return id
}

func attr(key, value string) telemetry.Attr {
	return telemetry.Attr{Key: key, Value: telemetry.String(value)}
}

// span adds a span; what it does to others is up to the caller.
func (w *world) span(service int, id, parent telemetry.SpanID, kind telemetry.SpanKind, start int64, attrs ...telemetry.Attr) {
	s := telemetry.Span{Stream: w.streams[service], TraceID: w.trace, SpanID: id, ParentID: parent, Kind: kind, Name: "op", Start: start, Attrs: attrs}
	s.End = start + int64(math.Exp(w.r.Float64()*20))
	if w.r.IntN(5) == 0 {
		s.Status = telemetry.StatusError
	}
	if w.r.IntN(20) == 0 {
		s.Attrs = append(s.Attrs, telemetry.Attr{Key: "SampleRate", Value: telemetry.Int(4)})
	}
	w.spans = append(w.spans, s)
}

// gap is how long it takes until a call arrives: mostly little, sometimes long,
// and sometimes so long that it does not count as one.
func (w *world) gap() int64 {
	switch w.r.IntN(12) {
	case 0:
		return w.r.Int64N(int64(2 * time.Minute))
	case 1:
		return w.r.Int64N(int64(25 * time.Minute))
	}
	return w.r.Int64N(int64(50 * time.Millisecond))
}

// serve makes the span of a request, and those of what it calls.
func (w *world) serve(service int, id, parent telemetry.SpanID, kind telemetry.SpanKind, at int64, depth int) {
	w.span(service, id, parent, kind, at, attr("http.request.method", "GET"))
	if depth > 4 {
		return
	}
	if w.r.IntN(3) == 0 { // work of its own
		inner := w.id()
		w.span(service, inner, id, telemetry.SpanKindInternal, at+w.r.Int64N(1e6))
		id = inner
	}
	for _, called := range w.calls[service] {
		w.call(service, called, id, at+w.gap(), depth)
	}
	switch w.r.IntN(5) {
	case 0:
		w.span(service, w.id(), id, telemetry.SpanKindClient, at+w.gap(), attr("db.system", "postgresql"), attr("server.address", "db-1:5432"), attr("db.namespace", "shop"))
	case 1:
		w.span(service, w.id(), id, telemetry.SpanKindClient, at+w.gap(), attr("url.full", "https://pay.example.com/x"))
	case 2:
		w.span(service, w.id(), id, telemetry.SpanKindClient, at+w.gap())
	}
}

// call makes a call from one service to another, in one of the ways there are.
func (w *world) call(from, to int, parent telemetry.SpanID, at int64, depth int) {
	id := w.id()
	switch w.r.IntN(7) {
	case 0: // both halves share an ID
		w.span(from, id, parent, telemetry.SpanKindClient, at, attr("http.url", "http://s1/x"))
		w.serve(to, id, parent, telemetry.SpanKindServer, at+w.gap(), depth+1)
	case 1: // over a queue
		w.span(from, id, parent, telemetry.SpanKindProducer, at, attr("messaging.system", "kafka"), attr("messaging.destination.name", "orders"))
		w.serve(to, w.id(), id, telemetry.SpanKindConsumer, at+w.gap(), depth+1)
	case 2: // no client span
		w.serve(to, id, parent, telemetry.SpanKindServer, at, depth+1)
	case 3: // a client span around another one
		w.span(from, id, parent, telemetry.SpanKindClient, at, attr("server.address", w.streams[to].Service))
		inner := w.id()
		w.span(from, inner, id, telemetry.SpanKindClient, at+1000, attr("server.address", w.streams[to].Service+".default.svc.cluster.local:80"))
		w.serve(to, w.id(), inner, telemetry.SpanKindServer, at+w.gap(), depth+1)
	case 4: // not answered
		w.span(from, id, parent, telemetry.SpanKindClient, at, attr("rpc.system", "grpc"), attr("server.address", w.streams[to].Service))
	default:
		w.span(from, id, parent, telemetry.SpanKindClient, at, attr("rpc.system", "grpc"))
		w.serve(to, w.id(), id, telemetry.SpanKindServer, at+w.gap(), depth+1)
	}
}

// make returns the spans of up to n traces, some of them lost.
func (w *world) make(n int) []telemetry.Span {
	const most = 2000
	for i := 0; i < n && len(w.spans) < most; i++ {
		for i := range w.trace {
			w.trace[i] = byte(w.r.IntN(256))
		}
		if w.short {
			clear(w.trace[:8])
		}
		w.serve(w.r.IntN(len(w.streams)), w.id(), telemetry.SpanID{}, telemetry.SpanKindServer, began+w.r.Int64N(int64(lasts)), 0)
	}
	lost := w.r.IntN(10)
	return slices.DeleteFunc(w.spans, func(s telemetry.Span) bool {
		return lost == 0 && s.ParentID.IsZero() || lost < 5 && w.r.IntN(30) == 0
	})
}

// batches puts the spans in an order in which they might come.
func (w *world) batches(spans []telemetry.Span) (out [][]telemetry.Span) {
	list := slices.Clone(spans)
	switch w.r.IntN(4) {
	case 0:
		w.r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	case 1: // as they began, those of one service an hour late
		late := w.streams[w.r.IntN(len(w.streams))]
		at := func(s telemetry.Span) int64 {
			if s.Stream == late {
				return s.Start + int64(time.Hour)
			}
			return s.Start
		}
		slices.SortStableFunc(list, func(a, b telemetry.Span) int { return cmp.Compare(at(a), at(b)) })
	case 2: // three collectors
		slices.SortStableFunc(list, func(a, b telemetry.Span) int { return cmp.Compare(int(a.SpanID[0])%3, int(b.SpanID[0])%3) })
	}
	if w.r.IntN(2) == 0 {
		for range len(list) / 5 {
			i := w.r.IntN(len(list))
			list = append(list, list[i])
			list[i] = list[w.r.IntN(len(list))] // one more of another one, and this one later
		}
	}
	for len(list) > 0 {
		n := min(1+w.r.IntN(200), len(list))
		out = append(out, list[:n])
		list = list[n:]
	}
	return out
}

func storeIn(t *testing.T, fs vfs.FS, set func(*local.Config)) *local.Store {
	t.Helper()
	cfg := local.DefaultConfig()
	cfg.Dir, cfg.Retention, cfg.CompactFiles, cfg.BlockRows, cfg.MaintainEvery = "/data", local.Retention{}, 3, 60, model.Duration(time.Hour)
	if set != nil {
		set(&cfg)
	}
	s, err := local.Open(cfg, local.Deps{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// say renders totals; percentiles stand in order beside it.
func say(t *calls.Totals) (string, []int64, map[string][]calls.Sample) {
	name := func(i int32) string {
		if i < 0 {
			return "-"
		}
		return t.Names.Node(i).Type + ":" + t.Names.Node(i).ID
	}
	lines, tallies, samples := []string{}, map[string]*calls.Tally{}, map[string][]calls.Sample{}
	line := func(text string, tally *calls.Tally) {
		samples[text] = tally.Samples
		text = fmt.Sprintf("%s calls=%d errors=%d weight=%g", text, tally.Calls, tally.Errors, tally.Weight)
		lines, tallies[text] = append(lines, text), tally
	}
	for k, v := range t.Calls {
		line(fmt.Sprintf("%s -> %s %s by %s, served %v", name(k.Source), name(k.Target), name(k.Protocol), name(k.Caller), k.Served), v)
	}
	for k, v := range t.Entries {
		line("entry "+name(k), v)
	}
	for k, v := range t.Odds {
		v.Weight = 0
		line(fmt.Sprintf("odd %s %s %d", name(k.Service), name(k.Target), k.Reason), v)
	}
	for s := range t.Present {
		lines = append(lines, "present "+name(s))
	}
	for s := range t.Senders {
		lines = append(lines, "sends "+name(s))
	}
	slices.Sort(lines)
	var percentiles []int64
	for _, l := range lines {
		if tally := tallies[l]; tally != nil {
			percentiles = append(percentiles, tally.Durations.Percentiles(0.5, 0.95, 0.99)...)
		}
	}
	return strings.Join(lines, "\n"), percentiles, samples
}

// sameCalls compares what the store says with what all spans together say.
func sameCalls(t *testing.T, s *local.Store, spans []telemetry.Span, q storage.CallQuery) {
	t.Helper()
	rows := calls.NewRows(calls.NewNames())
	for i := range spans {
		rows.Add(&spans[i], false)
	}
	want := calls.NewTotals(rows.Names, 1<<20)
	want.Sum(rows, q.Rules, q.From, q.To)
	got, err := s.Calls(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	gotText, gotTimes, gotSamples := say(got)
	wantText, wantTimes, wantSamples := say(want)
	if gotText != wantText {
		t.Fatalf("from %d to %d: got\n%s\nwant\n%s", q.From-began, q.To-began, gotText, wantText)
	}
	for i := range gotTimes {
		if off := math.Abs(float64(gotTimes[i] - wantTimes[i])); off > float64(wantTimes[i])*calls.SketchError+1 {
			t.Fatalf("percentile %d of\n%s\nis %d, want %d", i, gotText, gotTimes[i], wantTimes[i])
		}
	}
	for of, list := range gotSamples {
		if len(list) > q.Samples || len(list) == 0 && len(wantSamples[of]) > 0 && q.To-q.From > int64(time.Hour) {
			t.Fatalf("%s: %d samples of %d", of, len(list), len(wantSamples[of]))
		}
		for _, sample := range list {
			if !slices.ContainsFunc(wantSamples[of], func(w calls.Sample) bool { return w.Trace == sample.Trace }) {
				t.Fatalf("%s: sample %+v is none of its traces", of, sample)
			}
		}
	}
}

// sameSteps compares what the store says of steps with what the spans say.
func sameSteps(t *testing.T, s *local.Store, spans []telemetry.Span, q storage.CallQuery, minutes int64) {
	t.Helper()
	got, err := s.CallSteps(t.Context(), q, minutes)
	if err != nil {
		t.Fatal(err)
	}
	rows := calls.NewRows(calls.NewNames())
	for i := range spans {
		rows.Add(&spans[i], false)
	}
	want := calls.NewSteps(rows.Names, q.Samples, minutes)
	want.Sum(rows, q.Rules, q.From, q.To)
	if g, w := sayKeys(got.Range.Names, got.Range.Senders), sayKeys(rows.Names, want.Range.Senders); g != w {
		t.Fatalf("%s send, want %s", g, w)
	}
	for first := range want.Of {
		if got.Of[first] == nil {
			t.Fatalf("no step of %d minutes at %d", minutes, first)
		}
	}
	for first, step := range got.Of {
		gotText, _, _ := say(step)
		wantText, _, _ := say(want.At(first))
		if gotText != wantText {
			t.Fatalf("%d minutes from %d on: got\n%s\nwant\n%s", minutes, first, gotText, wantText)
		}
	}
}

func sayKeys(names *calls.Names, set map[int32]bool) string {
	var out []string
	for i := range set {
		out = append(out, names.Node(i).ID)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// What the store says of calls is what all spans together say: whatever the
// order in which they came, where the heads were flushed, the segments merged
// and the process killed, and for any range.
func TestCallsAreExact(t *testing.T) {
	seeds := 30
	if testing.Short() || raceEnabled {
		seeds = 8
	}
	for seed := range uint64(seeds) {
		w := newWorld(seed)
		spans := w.make(40 + w.r.IntN(150))
		fs, rows := vfs.NewCrashableMem(), 3+w.r.IntN(200)
		open := func() *local.Store { return storeIn(t, fs, func(c *local.Config) { c.BlockRows = rows }) }
		s := open()
		var stored []telemetry.Span
		every := 1 + w.r.IntN(6)
		for _, batch := range w.batches(spans) {
			storagetest.WriteSpans(t, s, storagetest.Tenant, storagetest.SpanBatch(batch))
			stored = append(stored, batch...)
			if w.r.IntN(every) == 0 {
				if err := s.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if w.r.IntN(4*every) == 0 {
				if err := s.Tidy(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if seed%3 == 2 && w.r.IntN(4*every) == 0 { // killed, with what was not synced lost in part
				fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: w.r.IntN(101), RNG: w.r})
				s = open()
			}
		}
		rules := calls.DefaultRules()
		if seed%7 == 6 {
			rules.Around = 3 * time.Minute // the segments were written by others
		}
		for i := range 8 {
			from := began - int64(time.Minute) + w.r.Int64N(int64(lasts))
			to := from + w.r.Int64N(int64(lasts))
			switch i % 4 {
			case 0:
				from -= from % calls.Minute
			case 1:
				from, to = from-from%calls.Minute, to-to%calls.Minute
			case 2:
				to = from + w.r.Int64N(int64(2*time.Minute))
			}
			if i == 7 {
				from, to = began-1, began+int64(24*time.Hour)
			}
			q := storage.CallQuery{Tenant: storagetest.Tenant, From: from, To: to + 1, Rules: rules, Samples: 5}
			sameCalls(t, s, stored, q)
			if i%3 == 1 {
				sameSteps(t, s, stored, q, []int64{10, 30, 60}[w.r.IntN(3)])
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if report, err := local.Check("/data", fs); err != nil || !report.OK() {
			t.Fatalf("seed %d: %v, %v", seed, report.Problems, err)
		}
	}
}
