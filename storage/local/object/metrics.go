package object

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count what is asked of object storage, and what the cache saves of
// that.
type Metrics struct {
	requests             *prometheus.CounterVec
	durations            *prometheus.HistogramVec
	retries, opened      prometheus.Counter
	breaker              prometheus.Gauge
	sent, received       prometheus.Counter
	hits, misses         prometheus.Counter
	evicted, unkept      prometheus.Counter
	cacheBytes           prometheus.Gauge
	Segments, Bytes      *prometheus.GaugeVec   // in object storage, by signal
	Moved, MovedBytes    *prometheus.CounterVec // by signal
	Deleted, MoveFailure prometheus.Counter
	Doomed               prometheus.Gauge
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: "clew_objects_" + name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "clew_objects_" + name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: "clew_objects_" + name, Help: help})
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "clew_objects_" + name, Help: help}, labels)
}

// NewMetrics makes the metrics, and registers them where reg is not nil.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		requests: counters("requests_total", "Requests to object storage, each attempt counted, by operation and outcome.", "operation", "outcome"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "clew_objects_request_duration_seconds", Help: "How long requests to object storage took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}, []string{"operation"}),
		retries:     counter("retries_total", "Requests to object storage that were made again."),
		opened:      counter("breaker_opened_total", "How often the circuit breaker opened: object storage failed several times in a row."),
		breaker:     gauge("breaker_state", "The circuit breaker: 0 closed, 1 half open, 2 open."),
		sent:        counter("sent_bytes_total", "Bytes sent to object storage."),
		received:    counter("received_bytes_total", "Bytes received from object storage."),
		hits:        counter("cache_hits_total", "Chunks that were in the local cache when they were wanted."),
		misses:      counter("cache_misses_total", "Chunks that had to be asked of object storage."),
		evicted:     counter("cache_evicted_bytes_total", "Bytes that went from the local cache to make room."),
		unkept:      counter("cache_unkept_total", "Chunks that the local cache could not keep: the disk failed or had no room."),
		cacheBytes:  gauge("cache_bytes", "Bytes in the local cache."),
		Segments:    gauges("segments", "Live segments in object storage.", "signal"),
		Bytes:       gauges("segment_bytes", "Bytes of live segments in object storage.", "signal"),
		Moved:       counters("moved_segments_total", "Segments moved to object storage.", "signal"),
		MovedBytes:  counters("moved_bytes_total", "Bytes of segments moved to object storage.", "signal"),
		Deleted:     counter("deleted_total", "Objects deleted: dropped, replaced, or left by an interrupted move."),
		MoveFailure: counter("move_failures_total", "Moves of segments that failed and are tried again."),
		Doomed:      gauge("pending_deletions", "Objects that are to be deleted."),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.requests, m.durations, m.retries, m.opened, m.breaker, m.sent, m.received, m.hits, m.misses, m.evicted, m.unkept,
		m.cacheBytes, m.Segments, m.Bytes, m.Moved, m.MovedBytes, m.Deleted, m.MoveFailure, m.Doomed,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) requested(op string, took time.Duration, failed bool) {
	outcome := "success"
	if failed {
		outcome = "failure"
	}
	m.requests.WithLabelValues(op, outcome).Inc()
	m.durations.WithLabelValues(op).Observe(took.Seconds())
}

// CacheCounter returns the metrics of the local cache.
func (m *Metrics) CacheCounter() *CacheCounter { return &CacheCounter{m} }

// CacheCounter counts what the local cache does.
type CacheCounter struct{ m *Metrics }

// Hit counts a chunk that was there.
func (c *CacheCounter) Hit() { c.m.hits.Inc() }

// Miss counts one that was not.
func (c *CacheCounter) Miss() { c.m.misses.Inc() }

// Evicted counts what made room.
func (c *CacheCounter) Evicted(bytes int64) { c.m.evicted.Add(float64(bytes)) }

// Unkept counts a chunk that could not be kept.
func (c *CacheCounter) Unkept() { c.m.unkept.Inc() }

// Size notes how much there is.
func (c *CacheCounter) Size(bytes int64) { c.m.cacheBytes.Set(float64(bytes)) }
