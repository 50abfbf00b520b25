package remote

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// storeMetrics is what the store tells of itself.
type storeMetrics struct {
	requests    *prometheus.CounterVec
	seconds     prometheus.Histogram
	retries     prometheus.Counter
	sent        prometheus.Counter
	refused     *prometheus.CounterVec
	corruptions prometheus.Counter
	pending     prometheus.Gauge
}

func newStoreMetrics(reg prometheus.Registerer) *storeMetrics {
	f := promauto.With(reg)
	return &storeMetrics{
		requests:    f.NewCounterVec(prometheus.CounterOpts{Name: "clew_remote_requests_total", Help: "Requests to the metrics store, by status code."}, []string{"code"}),
		seconds:     f.NewHistogram(prometheus.HistogramOpts{Name: "clew_remote_request_seconds", Help: "Time until the metrics store's answer began.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}),
		retries:     f.NewCounter(prometheus.CounterOpts{Name: "clew_remote_retries_total", Help: "Requests with samples that were sent to the metrics store again."}),
		sent:        f.NewCounter(prometheus.CounterOpts{Name: "clew_remote_sent_samples_total", Help: "Samples and histograms that the metrics store has taken."}),
		refused:     f.NewCounterVec(prometheus.CounterOpts{Name: "clew_remote_refused_samples_total", Help: "Samples and histograms that the metrics store refused for good, by status code."}, []string{"code"}),
		corruptions: f.NewCounter(prometheus.CounterOpts{Name: "clew_remote_wal_corruptions_total", Help: "Damaged places of the write-ahead log that were skipped."}),
		pending:     f.NewGauge(prometheus.GaugeOpts{Name: "clew_remote_wal_pending_bytes", Help: "Bytes that wait for the metrics store."}),
	}
}
