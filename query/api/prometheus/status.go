package prometheus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	promclient "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/clewhq/clew/storage"
)

// errNoStatus is what a metrics store answers that keeps no TSDB of its own.
var errNoStatus = errors.New("the metrics store does not tell the status of its database")

// status answers the TSDB status pages for stores that can tell.
type status struct{ metrics storage.TenantMetrics }

// Stats implements v1.TSDBAdminStats.
func (s status) Stats(label string, limit int) (*tsdb.Stats, error) {
	if m, ok := s.metrics.(interface {
		Stats(string, int) (*tsdb.Stats, error)
	}); ok {
		return m.Stats(label, limit)
	}
	return nil, errNoStatus
}

// BlockMetas implements v1.TSDBAdminStats.
func (s status) BlockMetas() ([]tsdb.BlockMeta, error) {
	if m, ok := s.metrics.(interface {
		BlockMetas() ([]tsdb.BlockMeta, error)
	}); ok {
		return m.BlockMetas()
	}
	return nil, errNoStatus
}

// WALReplayStatus implements v1.TSDBAdminStats. The log is replayed before the
// first request is taken, so there is nothing left of it.
func (status) WALReplayStatus() (tsdb.WALReplayStatus, error) { return tsdb.WALReplayStatus{}, nil }

// errReadOnly is what the admin API would answer if it had a route.
var errReadOnly = errors.New("this API reads only")

// CleanTombstones implements v1.TSDBAdminStats.
func (status) CleanTombstones() error { return errReadOnly }

// Delete implements v1.TSDBAdminStats.
func (status) Delete(context.Context, int64, int64, ...*labels.Matcher) error { return errReadOnly }

// Snapshot implements v1.TSDBAdminStats.
func (status) Snapshot(string, bool) error { return errReadOnly }

// noTargets is what there is to say of scraping: the agents do that. Who
// reports is answered by targets.
type noTargets struct{}

func (noTargets) ScrapePools() []string                      { return []string{} }
func (noTargets) TargetsActive() map[string][]*scrape.Target { return nil }
func (noTargets) TargetsDropped() map[string][]*scrape.Target {
	return nil
}
func (noTargets) TargetsDroppedCounts() map[string]int { return map[string]int{} }
func (noTargets) ScrapePoolConfig(pool string) (*config.ScrapeConfig, error) {
	return nil, fmt.Errorf("scrape pool %q not found: the server does not scrape", pool)
}

// tenantGatherer gives the status page the one figure it reads from metrics,
// for its tenant.
type tenantGatherer struct {
	all    promclient.Gatherer // may be nil
	tenant string
}

const headChunks = "prometheus_tsdb_head_chunks"

// Gather implements prometheus.Gatherer.
func (g tenantGatherer) Gather() ([]*dto.MetricFamily, error) {
	name, zero := headChunks, 0.0
	found := &dto.Metric{Gauge: &dto.Gauge{Value: &zero}}
	if g.all != nil {
		families, err := g.all.Gather()
		if err != nil {
			return nil, err
		}
		for _, f := range families {
			if f.GetName() != headChunks {
				continue
			}
			for _, m := range f.Metric {
				for _, l := range m.Label {
					if l.GetName() == "tenant" && l.GetValue() == g.tenant {
						found = m
					}
				}
			}
		}
	}
	return []*dto.MetricFamily{{Name: &name, Metric: []*dto.Metric{found}}}, nil
}

func (a *API) runtimeInfo() (v1.RuntimeInfo, error) {
	host, err := os.Hostname()
	if err != nil {
		return v1.RuntimeInfo{}, fmt.Errorf("ask for the host's name: %w", err)
	}
	cwd, err := os.Getwd()
	if err != nil {
		return v1.RuntimeInfo{}, fmt.Errorf("ask for the working directory: %w", err)
	}
	return v1.RuntimeInfo{
		StartTime: a.started, CWD: cwd, Hostname: host, ServerTime: time.Now().UTC(),
		ReloadConfigSuccess: true, LastConfigTime: a.started,
		GoroutineCount: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		GOMEMLIMIT: debug.SetMemoryLimit(-1), GOGC: os.Getenv("GOGC"), GODEBUG: os.Getenv("GODEBUG"),
		StorageRetention: a.deps.Retention,
	}, nil
}
