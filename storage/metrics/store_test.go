package metrics

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"

	"github.com/clewhq/clew/storage"
)

var base = time.Now().Add(-time.Hour).Truncate(time.Second)

func TestEverythingComesBackAfterReopening(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := openTest(t, cfg, Deps{})
	tm := tenantOf(t, s, "anonymous")
	ls := labels.FromStrings(model.MetricNameLabel, "http.server.requests", "service.name", "caf\u00e9")
	app := tm.AppenderV2(context.Background())
	ex := exemplar.Exemplar{Labels: labels.FromStrings("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"), Value: 2, Ts: base.UnixMilli(), HasTs: true}
	md := metadata.Metadata{Type: model.MetricTypeCounter, Unit: "requests", Help: "Requests that came in."}
	_, err := app.Append(0, ls, 0, base.UnixMilli(), 42, nil, nil, promstorage.AppendV2Options{
		MetricFamilyName: "http.server.requests", Metadata: md, Exemplars: []exemplar.Exemplar{ex},
	})
	if err != nil {
		t.Fatal(err)
	}
	hist := labels.FromStrings(model.MetricNameLabel, "latency")
	if _, err := app.Append(0, hist, 0, base.UnixMilli(), 0, tsdbutil.GenerateTestHistogram(3), nil, promstorage.AppendV2Options{}); err != nil {
		t.Fatal(err)
	}
	fhist := labels.FromStrings(model.MetricNameLabel, "latency_float")
	if _, err := app.Append(0, fhist, 0, base.UnixMilli(), 0, nil, tsdbutil.GenerateTestFloatHistogram(3), promstorage.AppendV2Options{}); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	check := func(tm storage.TenantMetrics) {
		t.Helper()
		ms := base.UnixMilli()
		want := []string{
			fmt.Sprintf(`{"http.server.requests", "service.name"="café"}@%d=42`, ms),
			fmt.Sprintf(`{__name__="latency"}@%d=count 39 sum 73.6`, ms),
			fmt.Sprintf(`{__name__="latency_float"}@%d=count 39 sum 73.6`, ms),
		}
		got := samples(t, tm)
		for i := range got {
			got[i] = strings.ReplaceAll(got[i], `__name__="http.server.requests"`, `"http.server.requests"`)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("samples (-want +got):\n%s", d)
		}
		if d := cmp.Diff(map[string]metadata.Metadata{"http.server.requests": md}, tm.Metadata("")); d != "" {
			t.Errorf("metadata (-want +got):\n%s", d)
		}
		q, err := tm.ExemplarQuerier(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		res, err := q.Select(0, math.MaxInt64, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "service.name", "café")})
		if err != nil {
			t.Fatal(err)
		}
		if len(res) != 1 || len(res[0].Exemplars) != 1 || !res[0].Exemplars[0].Equals(ex) {
			t.Errorf("exemplars: want %v, got %v", ex, res)
		}
	}
	check(tm)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, cfg, Deps{})
	if d := cmp.Diff([]string{"anonymous"}, s.Tenants()); d != "" {
		t.Errorf("tenants (-want +got):\n%s", d)
	}
	check(tenantOf(t, s, "anonymous"))
}

func TestTenantsAreApart(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.MaxTenants = 2
	s := openTest(t, cfg, Deps{})
	a, b := tenantOf(t, s, "a"), tenantOf(t, s, "b")
	if err := put(a, labels.FromStrings(model.MetricNameLabel, "m"), base, 1); err != nil {
		t.Fatal(err)
	}
	if got := samples(t, b); len(got) != 0 {
		t.Errorf("tenant b sees %v", got)
	}
	if again := tenantOf(t, s, "a"); again != a {
		t.Error("the second call made another tenant")
	}
	if _, err := s.Tenant("c"); err == nil || !strings.Contains(err.Error(), "max_tenants") {
		t.Errorf("a third tenant: want an error about max_tenants, got %v", err)
	}
	for _, name := range []string{"", "../a", "a/b", ".", strings.Repeat("x", 200)} {
		if _, err := s.Tenant(name); err == nil {
			t.Errorf("tenant %q was accepted", name)
		}
	}
}

func TestSampleTimes(t *testing.T) {
	now := time.Now()
	tests := []struct {
		name   string
		at     time.Time
		value  float64
		stored bool
		want   error
	}{
		{"same again", now, 1, true, nil},
		{"same time, other value", now, 2, false, promstorage.ErrDuplicateSampleForTimestamp},
		{"late, within the window", now.Add(-50 * time.Minute), 3, true, nil},
		{"late, out of the window", now.Add(-70 * time.Minute), 4, false, promstorage.ErrTooOldSample},
		{"a little ahead", now.Add(5 * time.Minute), 5, true, nil},
		{"far ahead", now.Add(11 * time.Minute), 6, false, promstorage.ErrOutOfBounds},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			cfg.OutOfOrderWindow = model.Duration(time.Hour)
			s := openTest(t, cfg, Deps{Now: func() time.Time { return now }})
			tm := tenantOf(t, s, "x")
			ls := labels.FromStrings(model.MetricNameLabel, "m")
			if err := put(tm, ls, now, 1); err != nil {
				t.Fatal(err)
			}
			if err := put(tm, ls, tc.at, tc.value); !errors.Is(err, tc.want) {
				t.Fatalf("want %v, got %v", tc.want, err)
			}
			got := strings.Join(samples(t, tm), "\n")
			if line := fmt.Sprintf("@%d=%g", tc.at.UnixMilli(), tc.value); strings.Contains(got, line) != tc.stored {
				t.Errorf("stored: want %t, got:\n%s", tc.stored, got)
			}
		})
	}
}

func TestLateSamplesSurviveReopening(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := openTest(t, cfg, Deps{})
	tm := tenantOf(t, s, "x")
	ls := labels.FromStrings(model.MetricNameLabel, "m")
	for i := range 20 { // newest first: all but the first are out of order
		if err := put(tm, ls, base.Add(-time.Duration(i)*time.Second), float64(i)); err != nil {
			t.Fatal(err)
		}
	}
	before := samples(t, tm)
	if len(before) != 20 {
		t.Fatalf("want 20 samples, got %d", len(before))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, cfg, Deps{})
	if d := cmp.Diff(before, samples(t, tenantOf(t, s, "x"))); d != "" {
		t.Errorf("(-before +after):\n%s", d)
	}
}

func TestRetentionDropsOldBlocks(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Retention = model.Duration(24 * time.Hour)
	s := openTest(t, cfg, Deps{})
	tm := tenantOf(t, s, "x").(*Tenant)
	ls := labels.FromStrings(model.MetricNameLabel, "m")
	start := time.Now().Add(-72 * time.Hour)
	for at := start; at.Before(time.Now()); at = at.Add(30 * time.Minute) {
		if err := put(tm, ls, at, 1); err != nil {
			t.Fatal(err)
		}
	}
	db, err := tm.acquire()
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	tm.release(db)
	metas, err := tm.BlockMetas()
	if err != nil || len(metas) == 0 {
		t.Fatalf("want blocks, got %v, %v", metas, err)
	}
	// A block goes when all of it is out of retention, so the longest block
	// may still reach back that much further.
	oldest := time.Now().Add(-time.Duration(cfg.Retention)).Add(-2 * blockDuration)
	for _, m := range metas {
		if time.UnixMilli(m.MaxTime).Before(oldest) {
			t.Errorf("block %s ends %s, out of retention", m.ULID, time.UnixMilli(m.MaxTime))
		}
	}
	if got := samples(t, tm); len(got) == 0 || len(got) > 80 {
		t.Errorf("want only the last day or so of 144 samples, got %d", len(got))
	}
}

func TestClosed(t *testing.T) {
	s := openTest(t, testConfig(t.TempDir()), Deps{})
	tm := tenantOf(t, s, "x")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Tenant("x"); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("Tenant: want ErrClosed, got %v", err)
	}
	if _, err := tm.Querier(0, 1); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("Querier: want ErrClosed, got %v", err)
	}
	if err := put(tm, labels.FromStrings(model.MetricNameLabel, "m"), base, 1); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("Commit: want ErrClosed, got %v", err)
	}
	if h := s.Health(); h.Writable || h.Err == "" {
		t.Errorf("health of a closed store: %+v", h)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

func TestCloseLeavesFilesOpenForAHungReader(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.CloseTimeout = model.Duration(10 * time.Millisecond)
	s, err := Open(cfg, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	tm := tenantOf(t, s, "x").(*Tenant)
	if err := put(tm, labels.FromStrings(model.MetricNameLabel, "m"), base, 1); err != nil {
		t.Fatal(err)
	}
	q, err := tm.Querier(0, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "1 readers") {
		t.Errorf("want an error about the reader, got %v", err)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	if err := tm.open.close(); err != nil { // for the leak check
		t.Error(err)
	}
}

func TestSelfMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := openTest(t, testConfig(t.TempDir()), Deps{Registerer: reg})
	for _, name := range []string{"a", "b"} {
		if err := put(tenantOf(t, s, name), labels.FromStrings(model.MetricNameLabel, "m"), base, 1); err != nil {
			t.Fatal(err)
		}
	}
	if got := testutil.ToFloat64(s.metrics.commits.WithLabelValues("stored")); got != 2 {
		t.Errorf("stored commits: want 2, got %g", got)
	}
	n, err := testutil.GatherAndCount(reg, "prometheus_tsdb_head_series", "clew_metrics_tenants")
	if err != nil || n != 3 {
		t.Errorf("want a head_series for each tenant and a tenants gauge, got %d, %v", n, err)
	}
	if problems, err := testutil.GatherAndLint(reg, "clew_metrics_commits_total", "clew_metrics_fsync_duration_seconds", "clew_metrics_commits_per_fsync", "clew_metrics_tenants", "clew_metrics_reopened_total"); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if mfs, err := reg.Gather(); err != nil || len(mfs) != 0 {
		t.Errorf("after close: want no metrics, got %d, %v", len(mfs), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(testConfig(file), Deps{}); err == nil {
		t.Error("a file as folder was accepted")
	}
	tests := []struct {
		key  string
		with func(*Config)
	}{
		{"dir", func(c *Config) { c.Dir = "" }},
		{"retention", func(c *Config) { c.Retention = model.Duration(time.Minute) }},
		{"retention_bytes", func(c *Config) { c.RetentionBytes = -1 }},
		{"out_of_order_window", func(c *Config) { c.OutOfOrderWindow = -1 }},
		{"max_future", func(c *Config) { c.MaxFuture = -1 }},
		{"max_exemplars", func(c *Config) { c.MaxExemplars = -1 }},
		{"max_metadata_families", func(c *Config) { c.MaxMetadataFamilies = 0 }},
		{"max_tenants", func(c *Config) { c.MaxTenants = 0 }},
		{"min_free_bytes", func(c *Config) { c.MinFreeBytes = -1 }},
		{"maintenance_interval", func(c *Config) { c.MaintenanceInterval = 0 }},
		{"wal_segment_bytes", func(c *Config) { c.WALSegmentBytes = 1000 }},
		{"head_stripes", func(c *Config) { c.HeadStripes = 3 }},
		{"head_write_buffer_bytes", func(c *Config) { c.HeadWriteBufferBytes = 1 }},
		{"close_timeout", func(c *Config) { c.CloseTimeout = 0 }},
	}
	for _, tc := range tests {
		cfg := testConfig(t.TempDir())
		tc.with(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), tc.key+":") {
			t.Errorf("%s: want an error that names it, got %v", tc.key, err)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
}

func TestHistogramWithCustomBuckets(t *testing.T) {
	s := openTest(t, testConfig(t.TempDir()), Deps{})
	tm := tenantOf(t, s, "x")
	h := &histogram.Histogram{
		Schema: histogram.CustomBucketsSchema, CustomValues: []float64{1, 2}, Count: 3, Sum: 4,
		PositiveSpans: []histogram.Span{{Offset: 0, Length: 3}}, PositiveBuckets: []int64{1, 0, 0},
	}
	app := tm.Appender(context.Background())
	if _, err := app.AppendHistogram(0, labels.FromStrings(model.MetricNameLabel, "h"), base.UnixMilli(), h, nil); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := samples(t, tm); len(got) != 1 || !strings.HasSuffix(got[0], "count 3 sum 4") {
		t.Errorf("got %v", got)
	}
}
