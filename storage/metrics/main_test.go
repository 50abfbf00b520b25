package metrics

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/storage"
)

// TestMain runs a child of the crash tests instead where the environment asks
// for one.
func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		goleak.VerifyTestMain(m)
	case "writer":
		writeUntilKilled()
	case "torn":
		tearAndHeal()
	}
}

func testConfig(dir string) Config {
	cfg := DefaultConfig()
	cfg.Dir = dir
	cfg.MinFreeBytes = 0
	cfg.MaxExemplars = 1000
	return cfg
}

func openTest(t testing.TB, cfg Config, deps Deps) *Store {
	t.Helper()
	s, err := Open(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func tenantOf(t testing.TB, s *Store, name string) storage.TenantMetrics {
	t.Helper()
	tm, err := s.Tenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return tm
}

// put commits one float sample.
func put(tm storage.TenantMetrics, ls labels.Labels, at time.Time, v float64) error {
	app := tm.Appender(context.Background())
	if _, err := app.Append(0, ls, at.UnixMilli(), v); err != nil {
		_ = app.Rollback()
		return err
	}
	return app.Commit()
}

// samples returns all float samples and histogram counts as "labels@ms=value".
func samples(t testing.TB, tm storage.TenantMetrics, matchers ...*labels.Matcher) []string {
	t.Helper()
	q, err := tm.Querier(0, time.Now().Add(24*time.Hour).UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if len(matchers) == 0 {
		matchers = []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+")}
	}
	var out []string
	set := q.Select(context.Background(), true, nil, matchers...)
	for set.Next() {
		it := set.At().Iterator(nil)
		for typ := it.Next(); typ != chunkenc.ValNone; typ = it.Next() {
			switch typ {
			case chunkenc.ValFloat:
				ts, v := it.At()
				out = append(out, fmt.Sprintf("%s@%d=%g", set.At().Labels(), ts, v))
			default:
				ts, h := it.AtFloatHistogram(nil)
				out = append(out, fmt.Sprintf("%s@%d=count %g sum %g", set.At().Labels(), ts, h.Count, h.Sum))
			}
		}
		if err := it.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

var _ promstorage.GetRef = (*appender)(nil)
