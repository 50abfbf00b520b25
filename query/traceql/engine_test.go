package traceql

import (
	"context"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/query/traceql/traceqltest"
	"github.com/clewhq/clew/telemetry"
)

const small = `
trace 1
  span a1 service=front name=get kind=server start=0ms duration=10ms span.http.method=GET span.n=1 scope=lib instrumentation.lang=go resource.zone=z1
    event log at=1ms event.key=x
    link trace=2 span=a2 link.key=y
trace 2
  span a2 service=back name=put kind=client start=10s duration=5s span.http.method=PUT span.n=2.5 span.ok=true resource.zone=z2
trace 3
  span a3 service=back name=get kind=server start=20s duration=10ms span.http.method=GET span.list=["p","q"] status=error
  span b3 parent=a3 service=back name=sub start=20001ms duration=1ms
`

func smallStore(t testing.TB) *traceqltest.Store {
	t.Helper()
	spans, err := traceqltest.Parse(small)
	if err != nil {
		t.Fatal(err)
	}
	return &traceqltest.Store{Tenant: "t", All: spans}
}

func mustParse(t testing.TB, q string) *syntax.Query {
	t.Helper()
	parsed, err := syntax.Parse(q)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func foundIDs(res *SearchResult) string {
	var out []string
	for _, tr := range res.Traces {
		out = append(out, strings.TrimLeft(tr.TraceID.String(), "0"))
	}
	return strings.Join(out, " ")
}

// TestSearchRange: a trace is in where it overlaps the range, both ends
// included.
func TestSearchRange(t *testing.T) {
	base := traceqltest.Base.UnixNano()
	at := func(d time.Duration) int64 { return base + int64(d) }
	for _, c := range []struct {
		from, to int64
		want     string
	}{
		{0, 0, "3 2 1"},
		{at(0), at(30 * time.Second), "3 2 1"},
		{at(11 * time.Second), at(12 * time.Second), "2"}, // started before, still running
		{at(15 * time.Second), at(19 * time.Second), "2"},
		{at(15*time.Second + 1), at(19 * time.Second), ""},
		{at(5 * time.Second), at(10 * time.Second), "2"},
		{at(5 * time.Second), at(10*time.Second - 1), ""},
		{at(20 * time.Second), 0, "3"},
		{at(time.Hour), at(2 * time.Hour), ""},
	} {
		e := newEngine(smallStore(t))
		res, err := e.Search(context.Background(), SearchRequest{Tenant: "t", Query: mustParse(t, "{ }"), From: c.from, To: c.to})
		if err != nil || foundIDs(res) != c.want {
			t.Errorf("%v..%v: got %q, %v, want %q", c.from, c.to, foundIDs(res), err, c.want)
		}
	}
}

// TestSearchSpanInRange: where single spans decide, one that matches must
// overlap the range itself; where the whole trace decides, the trace.
func TestSearchSpanInRange(t *testing.T) {
	base := traceqltest.Base.UnixNano()
	for _, c := range []struct {
		query    string
		from, to time.Duration
		want     string
	}{
		{"{ name = `get` }", 20 * time.Second, 20*time.Second + 1, "3"},
		{"{ name = `sub` }", 20 * time.Second, 20*time.Second + time.Millisecond, "3"},
		{"{ name = `sub` }", 20 * time.Second, 20*time.Second + time.Millisecond - 1, ""},
		{"{ name = `sub` }", 20*time.Second + 2*time.Millisecond, time.Minute, "3"},
		{"{ name = `sub` }", 20*time.Second + 2*time.Millisecond + 1, time.Minute, ""},
		{"{ name = `sub` } | count() = 1", 20 * time.Second, 20*time.Second + 1, "3"},
		{"{ } > { name = `sub` }", 20*time.Second + 3*time.Millisecond, time.Minute, "3"},
	} {
		e := newEngine(smallStore(t))
		res, err := e.Search(context.Background(), SearchRequest{Tenant: "t", Query: mustParse(t, c.query), From: base + int64(c.from), To: base + int64(c.to)})
		if err != nil || foundIDs(res) != c.want {
			t.Errorf("%s %v..%v: got %q, %v, want %q", c.query, c.from, c.to, foundIDs(res), err, c.want)
		}
	}
}

func TestSearchMetadata(t *testing.T) {
	e := newEngine(smallStore(t))
	res, err := e.Search(context.Background(), SearchRequest{Tenant: "t", Query: mustParse(t, "{ status = error || name = `sub` }"), SpansPerSet: 1})
	if err != nil || len(res.Traces) != 1 {
		t.Fatalf("got %+v, %v", res, err)
	}
	tr := res.Traces[0]
	if tr.RootName != "get" || tr.RootService != "back" || !tr.HasRoot || tr.Duration != 10*time.Millisecond {
		t.Errorf("got %+v", tr)
	}
	if set := tr.Spansets[0]; set.Matched != 2 || len(set.Spans) != 1 || set.Spans[0].Named {
		t.Errorf("got %+v", set)
	}
	if want := []ServiceStats{{"back", 2, 1}}; !slices.Equal(tr.Services, want) {
		t.Errorf("got %+v, want %+v", tr.Services, want)
	}
}

func TestOtherTenant(t *testing.T) {
	e := newEngine(smallStore(t))
	res, err := e.Search(context.Background(), SearchRequest{Tenant: "other", Query: mustParse(t, "{ }")})
	if err != nil || len(res.Traces) != 0 {
		t.Errorf("got %v, %v", res, err)
	}
}

// TestPushdown makes sure that the store is asked for little.
func TestPushdown(t *testing.T) {
	for _, c := range []struct {
		query string
		most  int // spans yielded by the scan and by reading whole traces
	}{
		{"{ resource.service.name = `front` }", 2},
		{"{ resource.service.name = `nobody` }", 0},
		{"{ duration > 1s }", 2},
		{"{ trace:id = `2` }", 2},
		{"{ span:id = `a2` }", 3}, // a link carries the ID, too
		{"{ resource.zone = `z1` && status = unset }", 2},
		{"{ instrumentation:name = `lib` }", 2},
		{"{ resource.service.name = `front` } >> { }", 2},
		{"{ resource.zone = `z1` || resource.zone = `z2` } | count() > 5", 4},
		{"{ resource.service.name = `front` } | rate()", 1},
		{"{ resource.service.name = `front` && nestedSetParent < 0 } | rate() by (name)", 1},
	} {
		store := smallStore(t)
		e := newEngine(store)
		q := mustParse(t, c.query)
		var err error
		if base := traceqltest.Base.UnixNano(); q.Metrics != nil {
			_, err = e.QueryRange(context.Background(), MetricsRequest{Tenant: "t", Query: q, From: base - 1e9, To: base + 60e9, Step: 10e9})
		} else {
			_, err = e.Search(context.Background(), SearchRequest{Tenant: "t", Query: q})
		}
		if err != nil || store.Scanned > c.most {
			t.Errorf("%s: read %d spans, want at most %d; %v", c.query, store.Scanned, c.most, err)
		}
	}
}

// TestLimitsSaySo: what a limit cuts off is a warning that names the limit.
func TestLimitsSaySo(t *testing.T) {
	base := traceqltest.Base.UnixNano()
	for name, set := range map[string]func(*Config){
		"max_spans":           func(c *Config) { c.MaxSpans = 1 },
		"max_spans_per_trace": func(c *Config) { c.MaxSpansPerTrace = 1 },
		"max_candidates":      func(c *Config) { c.MaxCandidates = 1; c.FirstSlice = 1e15 },
		"max_traces":          func(c *Config) { c.MaxTraces = 1 },
		"max_series":          func(c *Config) { c.MaxSeries = 1 },
		"max_samples":         func(c *Config) { c.MaxSamples = 10 },
	} {
		cfg := DefaultConfig()
		set(&cfg)
		e := New(cfg, smallStore(t), nil, nil)
		res, err := e.Search(context.Background(), SearchRequest{Tenant: "t", Query: mustParse(t, "{ }"), Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		m, err := e.QueryRange(context.Background(), MetricsRequest{Tenant: "t", Query: mustParse(t, "{ } | rate() by (name)"), From: base, To: base + 60e9, Step: 10e9})
		if err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(append(res.Warnings, m.Warnings...), "\n"); !strings.Contains(all, name) {
			t.Errorf("%s: nobody says so: %q", name, all)
		}
	}
	e := New(DefaultConfig(), smallStore(t), nil, nil)
	res, err := e.Search(context.Background(), SearchRequest{Tenant: "t", Query: mustParse(t, "{ }")})
	if err != nil || len(res.Warnings) != 0 {
		t.Errorf("a whole answer warns: %q, %v", res.Warnings, err)
	}
}

func TestStoreFails(t *testing.T) {
	store := smallStore(t)
	store.Err = errors.New("disk gone")
	e := newEngine(store)
	if _, err := e.Search(context.Background(), SearchRequest{Tenant: "t", Query: mustParse(t, "{ }")}); err == nil || !strings.Contains(err.Error(), "disk gone") {
		t.Errorf("search: %v", err)
	}
	if _, err := e.TagNames(context.Background(), TagsRequest{Tenant: "t"}); err == nil {
		t.Error("tag names: no error")
	}
}

func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e := newEngine(smallStore(t))
	if _, err := e.Search(ctx, SearchRequest{Tenant: "t", Query: mustParse(t, "{ }")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	cfg := DefaultConfig()
	cfg.Timeout = 1 // a nanosecond
	_, err := New(cfg, smallStore(t), nil, nil).Search(context.Background(), SearchRequest{Tenant: "t", Query: mustParse(t, "{ }")})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "query.traceql.timeout") {
		t.Errorf("got %v", err)
	}
}

func TestTagNames(t *testing.T) {
	e := newEngine(smallStore(t))
	got, err := e.TagNames(context.Background(), TagsRequest{Tenant: "t"})
	if err != nil {
		t.Fatal(err)
	}
	for scope, want := range map[syntax.Scope]string{
		syntax.ScopeResource: "service.name zone", syntax.ScopeSpan: "http.method list n ok",
		syntax.ScopeEvent: "event.key", syntax.ScopeLink: "link.key", syntax.ScopeInstrumentation: "lang",
	} {
		if s := strings.Join(got.Scopes[scope], " "); s != want {
			t.Errorf("%s: got %q, want %q", scope, s, want)
		}
	}
	got, err = e.TagNames(context.Background(), TagsRequest{Tenant: "t", Filter: ParseFilter("{ name = `put` }")})
	if err != nil || strings.Join(got.Scopes[syntax.ScopeSpan], " ") != "http.method n ok" || len(got.Scopes[syntax.ScopeEvent]) != 0 {
		t.Errorf("filtered: %v, %v", got, err)
	}
	got, err = e.TagNames(context.Background(), TagsRequest{Tenant: "t", Limit: 1})
	if err != nil || len(got.Scopes[syntax.ScopeSpan]) != 1 || len(got.Warnings) == 0 {
		t.Errorf("limited: %v, %v", got, err)
	}
}

func TestTagValues(t *testing.T) {
	for _, c := range []struct{ tag, filter, want string }{
		{"resource.service.name", "", "back front"},
		{"resource.service.name", "{ }", "back front"},
		{"resource.service.name", "{ resource.zone = `z1` }", "front"},
		{"resource.service.name", "{ name = `get` && status = error }", "back"},
		{"resource.service.name", "{ resource.zone = `z1` && name = }", "front"}, // half typed
		{"resource.service.name", "nonsense", "back front"},
		{".service.name", "", "back front"},
		{"span.http.method", "", "GET PUT"},
		{".http.method", "{ resource.service.name = `front` }", "GET"},
		{"span.n", "", "1 2.5"},
		{"span.ok", "", "true"},
		{"span.list", "", "p q"},
		{"name", "", "get put sub"},
		{"status", "", "unset ok error"},
		{"kind", "", "unspecified internal server client producer consumer"},
		{"duration", "", ""},
		{"rootName", "", "get put"},
		{"trace:rootService", "", "back front"},
		{"event:name", "", "log"},
		{"event.event.key", "", "x"},
		{"link.link.key", "", "y"},
		{"instrumentation:name", "", "lib"},
		{"instrumentation.lang", "", "go"},
		{"span.missing", "", ""},
		// What looks at whole traces, in the filter or as the attribute.
		{"name", "{ rootName = `put` }", "put"},
		{"name", "{ rootName = `none` }", ""},
		{"resource.service.name", "{ rootName = `get` && status = error }", "back"},
		{"rootName", "{ status = error }", "get"},
		{"name", "{ name = `get` } > { }", "sub"},
		{"name", "{ } | count() > 1", "get sub"},
		{"span:childCount", "{ resource.service.name = `front` }", "0"},
		{"nestedSetParent", "{ name = `sub` }", "1"},
	} {
		attr, err := syntax.ParseAttribute(c.tag)
		if err != nil {
			t.Fatal(err)
		}
		e := newEngine(smallStore(t))
		got, err := e.TagValues(context.Background(), TagsRequest{Tenant: "t", Filter: ParseFilter(c.filter)}, attr)
		if err != nil {
			t.Fatalf("%s: %v", c.tag, err)
		}
		var texts []string
		for _, v := range got.Values {
			texts = append(texts, v.Text())
		}
		if s := strings.Join(texts, " "); s != c.want {
			t.Errorf("%s by %q: got %q, want %q", c.tag, c.filter, s, c.want)
		}
	}
}

func TestExemplars(t *testing.T) {
	base := traceqltest.Base.UnixNano()
	e := newEngine(smallStore(t))
	ask := func(q string, n int) []Exemplar {
		t.Helper()
		res, err := e.QueryRange(context.Background(), MetricsRequest{Tenant: "t", Query: mustParse(t, q), From: base - 1e9, To: base + 60e9, Step: 10e9, Exemplars: n})
		if err != nil {
			t.Fatal(err)
		}
		var out []Exemplar
		for _, s := range res.Series {
			out = append(out, s.Exemplars...)
		}
		return out
	}
	if got := ask("{ } | max_over_time(duration)", 100); len(got) != 3 {
		t.Errorf("got %d exemplars, want one for each trace", len(got))
	} else if got[0].Value != 0.01 || got[0].Labels[0].Key != "trace:id" || got[0].Labels[0].Value.Text() != (telemetry.TraceID{15: 1}).String() {
		t.Errorf("got %+v", got[0])
	}
	if got := ask("{ } | rate()", 2); len(got) != 2 || got[0].Value <= 0 {
		t.Errorf("got %+v", got)
	}
	if got := ask("{ } | rate() with(exemplars=false)", 100); len(got) != 0 {
		t.Errorf("hint: got %d", len(got))
	}
	if got := ask("{ } | rate() with(exemplars=1)", 100); len(got) != 1 {
		t.Errorf("hint: got %d", len(got))
	}
	if got := ask("{ } | quantile_over_time(duration, 0.1, 0.99)", 100); len(got) != 3 {
		t.Errorf("quantiles: got %d", len(got))
	}
}

func TestDefaultStep(t *testing.T) {
	for span, want := range map[time.Duration]time.Duration{
		10 * time.Second: 50 * time.Millisecond, 30 * time.Second: 100 * time.Millisecond,
		time.Hour: 15 * time.Second, 5 * time.Minute: time.Second, 24 * time.Hour: 5 * time.Minute,
	} {
		if got := time.Duration(DefaultStep(0, int64(span))); got != want {
			t.Errorf("%s: step %s, want %s", span, got, want)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	cfg := DefaultConfig()
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	for _, spoil := range []func(*Config){
		func(c *Config) { c.Timeout = 0 }, func(c *Config) { c.MaxSpans = -1 }, func(c *Config) { c.BatchTraces = 0 },
		func(c *Config) { c.TraceWindow = -1 }, func(c *Config) { c.MaxExemplars = -1 },
	} {
		bad := DefaultConfig()
		spoil(&bad)
		if bad.Validate() == nil {
			t.Errorf("accepted: %+v", bad)
		}
	}
}

// TestSharedSpanIDs: Zipkin's halves of a call share an ID, and the server
// half is the client half's child.
func TestSharedSpanIDs(t *testing.T) {
	spans, err := traceqltest.Parse(`
trace 1
  span a service=front name=client kind=client start=0ms duration=10ms
  span a service=back name=server kind=server start=1ms duration=8ms
  span b parent=a service=back name=db start=2ms duration=1ms
`)
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(&traceqltest.Store{Tenant: "t", All: spans})
	for q, want := range map[string]int{
		"{ name = `client` } > { name = `server` }": 1, "{ name = `server` } > { name = `db` }": 1, "{ name = `client` } > { name = `db` }": 0,
	} {
		res, err := e.Search(context.Background(), SearchRequest{Tenant: "t", Query: mustParse(t, q)})
		if err != nil || len(res.Traces) != want {
			t.Errorf("%s: got %d, %v, want %d", q, len(res.Traces), err, want)
		}
	}
}

// TestExactSum: a sum is the number nearest to the true one, in whatever order.
func TestExactSum(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 5))
		var numbers []float64
		want := new(big.Float).SetPrec(4000)
		for range r.IntN(20) {
			x := (r.Float64() - 0.5) * math.Pow(10, float64(r.IntN(40)-20))
			numbers = append(numbers, x)
			want.Add(want, big.NewFloat(x))
		}
		exact, _ := want.Float64()
		for range 3 {
			r.Shuffle(len(numbers), func(i, j int) { numbers[i], numbers[j] = numbers[j], numbers[i] })
			var s exactSum
			for _, x := range numbers {
				s.add(x)
			}
			if got := s.value(); got != exact {
				t.Fatalf("seed %d: got %v, want %v", seed, got, exact)
			}
		}
	}
	var s exactSum
	for _, x := range []float64{1, math.Inf(1), 2} {
		s.add(x)
	}
	if !math.IsInf(s.value(), 1) {
		t.Errorf("got %v, want infinity", s.value())
	}
}

// TestOrderOfValues: any values have one order, whichever come first.
func TestOrderOfValues(t *testing.T) {
	values := []syntax.Static{
		syntax.Nil, syntax.Float(math.NaN()), syntax.Float(math.Inf(-1)), syntax.Int(math.MinInt64), syntax.Int(-1), syntax.Float(0.5),
		syntax.Int(1), syntax.Float(1), syntax.Int(2), syntax.Float(2.5), syntax.Int(1 << 53), syntax.Int(1<<53 + 1), syntax.Float(1e300),
		syntax.String(""), syntax.String("-1"), syntax.String("a"), syntax.Bool(false), syntax.Bool(true), syntax.Status(1), syntax.Kind(2),
	}
	r := rand.New(rand.NewPCG(1, 6))
	for range 200 {
		got := slices.Clone(values)
		r.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		slices.SortFunc(got, compareStatics)
		for i := range got {
			if got[i].Key() != values[i].Key() {
				t.Fatalf("at %d %s, want %s", i, got[i].Text(), values[i].Text())
			}
		}
	}
}
