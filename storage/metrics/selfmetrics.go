package metrics

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clewhq/clew/storage"
)

// storeMetrics is what the store tells of itself.
type storeMetrics struct {
	reg      prometheus.Registerer
	all      []prometheus.Collector
	commits  *prometheus.CounterVec
	fsync    prometheus.Histogram
	shared   prometheus.Histogram
	reopened prometheus.Counter
}

func newStoreMetrics(reg prometheus.Registerer, tenants func() float64) *storeMetrics {
	m := &storeMetrics{
		reg: reg,
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clew_metrics_commits_total",
			Help: "Commits to the metrics store by what became of them: stored, disk_full, closed or failed.",
		}, []string{"result"}),
		fsync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "clew_metrics_fsync_duration_seconds",
			Help:    "How long making commits to the metrics store durable took.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 3, 11),
		}),
		shared: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "clew_metrics_commits_per_fsync",
			Help:    "How many commits to the metrics store shared an fsync.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		reopened: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "clew_metrics_reopened_total",
			Help: "How often a tenant's metrics were opened again after a failed write.",
		}),
	}
	m.all = []prometheus.Collector{m.commits, m.fsync, m.shared, m.reopened, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "clew_metrics_tenants",
		Help: "Tenants that have metrics.",
	}, tenants)}
	if reg != nil {
		reg.MustRegister(m.all...)
	}
	return m
}

func (m *storeMetrics) count(err error) {
	result := "failed"
	switch {
	case err == nil:
		result = "stored"
	case errors.Is(err, storage.ErrDiskFull):
		result = "disk_full"
	case errors.Is(err, storage.ErrClosed):
		result = "closed"
	}
	m.commits.WithLabelValues(result).Inc()
}

func (m *storeMetrics) release() {
	if m.reg == nil {
		return
	}
	for _, c := range m.all {
		m.reg.Unregister(c)
	}
}
