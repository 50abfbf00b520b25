package samples_test

import (
	"context"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/internal/fake"
	"github.com/clewhq/clew/collector/samples"
	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type room struct {
	writer *samples.Writer
	gate   *admission.Gate
	store  storage.Metrics
	clock  *fake.Clock
	reg    *prometheus.Registry
}

// newRoom is a writer over a real store in a temporary folder.
func newRoom(t *testing.T, change func(*samples.Config)) *room {
	t.Helper()
	r := &room{clock: &fake.Clock{}, reg: prometheus.NewRegistry()}
	cfg := metrics.DefaultConfig()
	cfg.Dir, cfg.MinFreeBytes = t.TempDir(), 0
	cfg.MaxFuture = model.Duration(30 * time.Minute)
	store, err := metrics.Open(cfg, metrics.Deps{Logger: slog.New(slog.DiscardHandler), Now: r.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	r.store = store
	r.gate = admission.New(admission.DefaultConfig(), admission.Deps{
		Records: &fake.Records{}, Registerer: r.reg, Logger: slog.New(slog.DiscardHandler), Now: r.clock.Now})
	sc := samples.DefaultConfig()
	if change != nil {
		change(&sc)
	}
	if err := sc.Validate(); err != nil {
		t.Fatal(err)
	}
	r.writer = samples.New(sc, r.gate, r.store)
	t.Cleanup(func() {
		if err := r.writer.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// dump returns every sample of the tenant as "series value@milliseconds after
// the clock's start", sorted.
func (r *room) dump(t *testing.T, name string) []string {
	t.Helper()
	tm, err := r.store.Tenant(tenant.Anonymous)
	if err != nil {
		t.Fatal(err)
	}
	q, err := tm.Querier(0, 1<<60)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	start := (&fake.Clock{}).Now().UnixMilli()
	var out []string
	set := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, name))
	for set.Next() {
		it := set.At().Iterator(nil)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if kind == chunkenc.ValFloat {
				ts, v := it.At()
				out = append(out, fmt.Sprintf("%s %g@%d", set.At().Labels(), v, ts-start))
				continue
			}
			ts, h := it.AtFloatHistogram(nil)
			out = append(out, fmt.Sprintf("%s histogram of %g@%d", set.At().Labels(), h.Count, ts-start))
		}
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	sort.Strings(out)
	return out
}

func (r *room) exemplars(t *testing.T) []string {
	t.Helper()
	tm, err := r.store.Tenant(tenant.Anonymous)
	if err != nil {
		t.Fatal(err)
	}
	q, err := tm.ExemplarQuerier(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := q.Select(0, 1<<60, []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+")})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range found {
		for _, e := range f.Exemplars {
			out = append(out, fmt.Sprintf("%s: %s %g", f.SeriesLabels.Get(model.MetricNameLabel), e.Labels, e.Value))
		}
	}
	return out
}

// failing is a store whose commits fail.
type failing struct {
	storage.TenantMetrics
	err error
}

func (f *failing) Tenant(string) (storage.TenantMetrics, error) { return f, nil }
func (f *failing) Tenants() []string                            { return nil }
func (f *failing) Health() storage.Health                       { return storage.Health{} }
func (f *failing) Close() error                                 { return nil }

type failingV2 struct {
	promstorage.AppenderV2
	err error
}

func (a failingV2) Commit() error {
	_ = a.AppenderV2.Rollback()
	return a.err
}

func (f *failing) AppenderV2(ctx context.Context) promstorage.AppenderV2 {
	return failingV2{f.TenantMetrics.AppenderV2(ctx), f.err}
}

type failingV1 struct {
	promstorage.Appender
	err error
}

func (a failingV1) Commit() error {
	_ = a.Appender.Rollback()
	return a.err
}

func (f *failing) Appender(ctx context.Context) promstorage.Appender {
	return failingV1{f.TenantMetrics.Appender(ctx), f.err}
}

// fail makes the writer's store refuse every commit with err.
func (r *room) fail(t *testing.T, err error) *samples.Writer {
	t.Helper()
	tm, openErr := r.store.Tenant(tenant.Anonymous)
	if openErr != nil {
		t.Fatal(openErr)
	}
	return samples.New(samples.DefaultConfig(), r.gate, &failing{tm, err})
}

func joined(lines []string) string { return strings.Join(lines, "\n") }
