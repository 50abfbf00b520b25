package remote_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/metrics/remote"
	"github.com/clewhq/clew/storage/metrics/remote/prometheustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick is a configuration that gives up and tries again soon.
func quick(url, dir string) remote.Config {
	c := remote.DefaultConfig()
	c.QueryURL, c.Dir = url, dir
	c.RetryBackoff, c.RetryBackoffMax = model.Duration(5*time.Millisecond), model.Duration(50*time.Millisecond)
	c.BreakerDelay = model.Duration(20 * time.Millisecond)
	c.FreshWait = model.Duration(time.Minute)
	return c
}

func open(t *testing.T, c remote.Config, reg prometheus.Registerer) *remote.Store {
	t.Helper()
	return openWith(t, c, remote.Deps{Registerer: reg})
}

func openWith(t *testing.T, c remote.Config, deps remote.Deps) *remote.Store {
	t.Helper()
	s, err := remote.Open(c, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func tenantOf(t *testing.T, s *remote.Store, name string) storage.TenantMetrics {
	t.Helper()
	m, err := s.Tenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// write commits one sample of each series at each of the times.
func write(t *testing.T, m storage.TenantMetrics, times []int64, series ...string) {
	t.Helper()
	app := m.Appender(t.Context())
	for _, name := range series {
		for i, ts := range times {
			if _, err := app.Append(0, labels.FromStrings("__name__", name, "job", "shop"), ts, float64(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// read returns every sample that the matchers select, a line each.
func read(t *testing.T, m storage.TenantMetrics, from, to int64, matchers ...*labels.Matcher) []string {
	t.Helper()
	q, err := m.Querier(from, to)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(t.Context(), true, nil, matchers...)
	var out []string
	for set.Next() {
		it := set.At().Iterator(nil)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if kind == chunkenc.ValFloat {
				ts, v := it.At()
				out = append(out, fmt.Sprintf("%s %d %g", set.At().Labels(), ts, v))
				continue
			}
			ts, h := it.AtFloatHistogram(nil)
			out = append(out, fmt.Sprintf("%s %d histogram count %g sum %g", set.At().Labels(), ts, h.Count, h.Sum))
		}
		if it.Err() != nil {
			t.Fatal(it.Err())
		}
	}
	if set.Err() != nil || len(set.Warnings()) > 0 {
		t.Fatalf("read: %v, warnings %v", set.Err(), set.Warnings())
	}
	return out
}

func named(name string) *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchEqual, "__name__", name)
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// TestPrometheus writes to a real Prometheus and reads everything back, for
// two tenants that do not see each other.
func TestPrometheus(t *testing.T) {
	p := prometheustest.Start(t)
	s := open(t, quick(p.URL, t.TempDir()), nil)
	a, b := tenantOf(t, s, "team-a"), tenantOf(t, s, "team-b")
	now := time.Now().UnixMilli()
	times := []int64{now - 2000, now - 1000}
	write(t, a, times, "up", "requests_total")
	write(t, b, times[:1], "up")

	from, to := now-10_000, now+1000
	same(t, "team-a's", read(t, a, from, to, named("up")),
		fmt.Sprintf(`{__name__="up", job="shop"} %d 0`, times[0]), fmt.Sprintf(`{__name__="up", job="shop"} %d 1`, times[1]))
	same(t, "team-b's", read(t, b, from, to, named("up")), fmt.Sprintf(`{__name__="up", job="shop"} %d 0`, times[0]))
	same(t, "another tenant's", read(t, b, from, to, named("up"), labels.MustNewMatcher(labels.MatchEqual, "clew_tenant", "team-a")))
	same(t, "what has no such label", read(t, b, from, to, named("up"), labels.MustNewMatcher(labels.MatchNotEqual, "clew_tenant", "x")),
		fmt.Sprintf(`{__name__="up", job="shop"} %d 0`, times[0]))

	q, err := a.Querier(from, to)
	if err != nil {
		t.Fatal(err)
	}
	names, _, err := q.LabelNames(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "names of labels", names, "__name__", "job")
	values, _, err := q.LabelValues(t.Context(), "__name__", nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "values of a label", values, "requests_total", "up")
	values, _, err = q.LabelValues(t.Context(), "clew_tenant", nil)
	if err != nil || len(values) > 0 {
		t.Errorf("the tenants' label: %v, %v", values, err)
	}
	set := q.Select(t.Context(), true, &promstorage.SelectHints{Start: from, End: to, Func: "series"}, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+"))
	var series []string
	for set.Next() {
		series = append(series, set.At().Labels().String())
	}
	if set.Err() != nil {
		t.Error(set.Err())
	}
	same(t, "series", series, `{__name__="requests_total", job="shop"}`, `{__name__="up", job="shop"}`)
}

// TestOrder reads series whose order the tenant's label would change.
func TestOrder(t *testing.T) {
	p := prometheustest.Start(t)
	m := tenantOf(t, open(t, quick(p.URL, t.TempDir()), nil), "anonymous")
	now := time.Now().UnixMilli()
	app := m.Appender(t.Context())
	for _, ls := range []labels.Labels{labels.FromStrings("__name__", "x"), labels.FromStrings("__name__", "x", "b", "1"), labels.FromStrings("__name__", "x", "z", "1")} {
		if _, err := app.Append(0, ls, now, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	same(t, "sorted", read(t, m, now-1000, now, named("x")), fmt.Sprintf(`{__name__="x"} %d 1`, now),
		fmt.Sprintf(`{__name__="x", b="1"} %d 1`, now), fmt.Sprintf(`{__name__="x", z="1"} %d 1`, now))
}

// TestHistogramsAndExemplars goes the way of OTLP: native histograms and
// exemplars with trace IDs.
func TestHistogramsAndExemplars(t *testing.T) {
	p := prometheustest.Start(t)
	s := open(t, quick(p.URL, t.TempDir()), nil)
	m := tenantOf(t, s, "anonymous")
	now := time.Now().UnixMilli()
	h := &histogram.Histogram{Schema: 1, Count: 3, Sum: 4.5, ZeroThreshold: 1e-9, PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []int64{1, 1}}
	app := m.AppenderV2(t.Context())
	trace := exemplar.Exemplar{Labels: labels.FromStrings("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"), Value: 7, Ts: now, HasTs: true}
	for _, step := range []func() error{
		func() error {
			_, err := app.Append(0, labels.FromStrings("__name__", "lat"), 0, now, 0, h, nil, promstorage.AppendV2Options{})
			return err
		},
		func() error {
			_, err := app.Append(0, labels.FromStrings("__name__", "seen_total"), 0, now, 7, nil, nil, promstorage.AppendV2Options{
				Metadata: metadata.Metadata{Type: model.MetricTypeCounter, Help: "What was seen."}, Exemplars: []exemplar.Exemplar{trace},
			})
			return err
		},
		app.Commit,
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "a histogram", read(t, m, now-1000, now+1000, named("lat")), fmt.Sprintf(`{__name__="lat"} %d histogram count 3 sum 4.5`, now))
	eq, err := m.ExemplarQuerier(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := eq.Select(now-1000, now+1000, []*labels.Matcher{named("seen_total")}, []*labels.Matcher{named("lat")})
	if err != nil || len(found) != 1 || len(found[0].Exemplars) != 1 {
		t.Fatalf("exemplars: %v, %v", found, err)
	}
	if got := found[0]; got.SeriesLabels.String() != `{__name__="seen_total"}` || !got.Exemplars[0].Equals(trace) {
		t.Errorf("exemplar %v, want %v", got, trace)
	}
	if md := m.Metadata("seen_total")["seen_total"]; md.Help != "What was seen." || md.Type != model.MetricTypeCounter {
		t.Errorf("metadata %v", md)
	}
}

// TestAway writes while Prometheus is away, across a restart of the store and
// with Prometheus killed in between: everything that was acknowledged is there.
func TestAway(t *testing.T) {
	p := prometheustest.Start(t)
	c := quick(p.URL, t.TempDir())
	c.WALFileBytes, c.BatchBytes = 4<<10, 1<<10
	p.Kill()
	s := open(t, c, nil)
	base := time.Now().UnixMilli() - 100_000
	var want []string
	for i := range 60 {
		ts := base + int64(i)*1000
		write(t, tenantOf(t, s, "anonymous"), []int64{ts}, "n")
		want = append(want, fmt.Sprintf(`{__name__="n", job="shop"} %d 0`, ts))
		switch i {
		case 10: // a crash of ours, as far as what is on disk goes
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, c, nil)
		case 20, 40:
			p.Run()
		case 30:
			p.Kill()
		}
	}
	same(t, "all of them", read(t, tenantOf(t, s, "anonymous"), base-1000, base+100_000, named("n")), want...)
	if r := s.Remote(); r.Pending != 0 || r.LastError != "" {
		t.Errorf("at the end: %+v", r)
	}
}

// TestRefused sends samples that Prometheus refuses among good ones: the good
// ones are all taken, and the log says once how many were not and why.
func TestRefused(t *testing.T) {
	p := prometheustest.Start(t)
	reg, said := prometheus.NewRegistry(), &lockedBuffer{}
	s := openWith(t, quick(p.URL, t.TempDir()), remote.Deps{Registerer: reg, Logger: slog.New(slog.NewTextHandler(said, nil))})
	m := tenantOf(t, s, "anonymous")
	now := time.Now().UnixMilli()
	write(t, m, []int64{now}, "late_1", "late_2")
	read(t, m, now-1000, now, named("late_1")) // it is there, so what is older comes too late
	write(t, m, []int64{now - 500}, "good_1", "late_1", "good_2", "late_2", "good_3")
	got := read(t, m, now-1000, now, labels.MustNewMatcher(labels.MatchRegexp, "__name__", "good.*"))
	if len(got) != 3 {
		t.Errorf("good samples: %q", got)
	}
	const want = `
# HELP clew_remote_refused_samples_total Samples and histograms that the metrics store refused for good, by status code.
# TYPE clew_remote_refused_samples_total counter
clew_remote_refused_samples_total{code="400"} 2
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "clew_remote_refused_samples_total"); err != nil {
		t.Error(err)
	}
	if text := said.String(); strings.Count(text, "refused samples") != 1 || !strings.Contains(text, "samples=2") || !strings.Contains(text, "out of order") {
		t.Errorf("the log: %s", text)
	}
}

// lockedBuffer holds what a log says.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// faults stands before a store and spoils half of the requests.
type faults struct {
	mu   sync.Mutex
	rnd  *rand.Rand
	next http.Handler
}

// ServeHTTP implements http.Handler.
func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	kind := f.rnd.IntN(6)
	f.mu.Unlock()
	switch kind {
	case 0:
		http.Error(w, "away", http.StatusServiceUnavailable)
	case 1:
		http.Error(w, "not so fast", http.StatusTooManyRequests)
	case 2:
		f.next.ServeHTTP(httptest.NewRecorder(), r) // done, but nobody hears of it
		panic(http.ErrAbortHandler)
	default:
		f.next.ServeHTTP(w, r)
	}
}

// TestFaults writes through a proxy that refuses, resets and swallows answers.
func TestFaults(t *testing.T) {
	p := prometheustest.Start(t)
	at, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(&faults{rnd: rand.New(rand.NewPCG(1, 2)), next: httputil.NewSingleHostReverseProxy(at)})
	defer front.Close()
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	c := quick(front.URL, t.TempDir())
	c.BatchBytes, c.Retries = 512, 30
	s := open(t, c, nil)
	m := tenantOf(t, s, "anonymous")
	base := time.Now().UnixMilli() - 200_000
	var want []string
	for i := range 100 {
		ts := base + int64(i)*1000
		write(t, m, []int64{ts}, "n")
		want = append(want, fmt.Sprintf(`{__name__="n", job="shop"} %d 0`, ts))
	}
	same(t, "all of them", read(t, m, base-1000, base+200_000, named("n")), want...)
}

// TestBounded fills what may wait: more is refused, and nothing is lost.
func TestBounded(t *testing.T) {
	away := httptest.NewServer(http.NotFoundHandler())
	defer away.Close()
	c := quick(away.URL, t.TempDir())
	c.WALBytes, c.FreshWait, c.Retries = 2000, model.Duration(time.Millisecond), 0
	s := open(t, c, nil)
	m := tenantOf(t, s, "anonymous")
	now := time.Now().UnixMilli()
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		app := m.Appender(t.Context())
		if _, err := app.Append(0, labels.FromStrings("__name__", fmt.Sprint("series_", i)), now, 1); err != nil {
			t.Fatal(err)
		}
		err = app.Commit()
	}
	if !errors.Is(err, storage.ErrOverloaded) || !strings.Contains(err.Error(), "wal_bytes") {
		t.Errorf("a full log: %v", err)
	}
	if r := s.Remote(); r.Pending == 0 || r.Pending > c.WALBytes {
		t.Errorf("pending %d, bound %d", r.Pending, c.WALBytes)
	}
	q, err := m.Querier(now-1000, now)
	if err != nil {
		t.Fatal(err)
	}
	if set := q.Select(t.Context(), true, nil, named("x")); set.Next() || set.Err() == nil || !strings.Contains(set.Err().Error(), "404") {
		t.Errorf("a read from a store that is not there: %v", set.Err())
	}
}

// TestBadSamples are refused at once, alone.
func TestBadSamples(t *testing.T) {
	away := httptest.NewServer(http.NotFoundHandler())
	defer away.Close()
	m := tenantOf(t, open(t, quick(away.URL, t.TempDir()), nil), "anonymous")
	now := time.Now()
	app := m.Appender(t.Context())
	if _, err := app.Append(0, labels.EmptyLabels(), now.UnixMilli(), 1); !errors.Is(err, tsdb.ErrInvalidSample) {
		t.Errorf("no labels: %v", err)
	}
	if _, err := app.Append(0, labels.FromStrings("__name__", "x"), now.Add(time.Hour).UnixMilli(), 1); !errors.Is(err, promstorage.ErrOutOfBounds) {
		t.Errorf("the far future: %v", err)
	}
	if err := app.Commit(); err != nil {
		t.Errorf("an empty commit: %v", err)
	}
	if err := app.Commit(); err == nil {
		t.Error("a second commit succeeded")
	}
}

// TestTenantHeader tells the store the tenant, and adds no label.
func TestTenantHeader(t *testing.T) {
	seen := make(chan string, 10)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case seen <- r.Header.Get("X-Scope-OrgID") + " " + r.Header.Get("Authorization"):
		default:
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer front.Close()
	c := quick(front.URL, t.TempDir())
	c.TenantHeader, c.Authorization = "X-Scope-OrgID", "Bearer s3cret"
	write(t, tenantOf(t, open(t, c, nil), "team-a"), []int64{time.Now().UnixMilli()}, "up")
	select {
	case got := <-seen:
		if got != "team-a Bearer s3cret" {
			t.Errorf("headers %q", got)
		}
	case <-time.After(time.Minute):
		t.Error("nothing was sent")
	}
}

// TestNoStore: what answers with something else has taken nothing, says what to
// set, and what waits arrives once it is a store.
func TestNoStore(t *testing.T) {
	p := prometheustest.Start(t)
	to, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	store := httputil.NewSingleHostReverseProxy(to)
	var now atomic.Pointer[http.HandlerFunc]
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*now.Load())(w, r) }))
	defer front.Close()
	page := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<html>")
		}
	}
	first := page(http.StatusOK)
	now.Store(&first)
	s := open(t, quick(front.URL, t.TempDir()), nil)
	at := time.Now().UnixMilli()
	write(t, tenantOf(t, s, "me"), []int64{at}, "waits")
	for status, want := range map[int]string{
		http.StatusOK: "not a metrics store", http.StatusUnauthorized: "remote.username and password",
		http.StatusNotFound: "--web.enable-remote-write-receiver", http.StatusFound: "redirects are not followed",
	} {
		h := page(status)
		now.Store(&h)
		for deadline := time.Now().Add(time.Minute); !strings.Contains(s.Remote().LastError, want); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d: the last error is %q, want %q", status, s.Remote().LastError, want)
			}
		}
	}
	good := http.HandlerFunc(store.ServeHTTP)
	now.Store(&good)
	if got := read(t, tenantOf(t, s, "me"), at, at, named("waits")); len(got) != 1 {
		t.Errorf("there is %v", got)
	}
}

// TestConfig says what is wrong.
func TestConfig(t *testing.T) {
	for want, change := range map[string]func(*remote.Config){
		"query_url":     func(c *remote.Config) { c.QueryURL = "127.0.0.1:9090" },
		"write_url":     func(c *remote.Config) { c.WriteURL = "x" },
		"username":      func(c *remote.Config) { c.Password = "x" },
		"tenant_label":  func(c *remote.Config) { c.TenantLabel = "" },
		"wal_bytes":     func(c *remote.Config) { c.WALBytes = 0 },
		"retry_backoff": func(c *remote.Config) { c.RetryBackoff = 0 },
	} {
		c := quick("http://127.0.0.1:9090", t.TempDir())
		change(&c)
		if _, err := remote.Open(c, remote.Deps{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	c := quick("http://127.0.0.1:9090", t.TempDir())
	open(t, c, nil)
	if _, err := remote.Open(c, remote.Deps{}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("twice: %v", err)
	}
}
