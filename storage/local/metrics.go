package local

import (
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clewhq/clew/telemetry"
)

type metrics struct {
	batches, records, duplicates *prometheus.CounterVec
	refused                      *prometheus.CounterVec
	fsync                        prometheus.Histogram
	walBytes                     prometheus.Counter
	headBytes, headPeak          prometheus.Gauge
	segments                     *prometheus.GaugeVec
	segmentBytes                 *prometheus.GaugeVec
	flushes, compactions         *prometheus.CounterVec
	corruptions                  *prometheus.CounterVec
	partitionsDropped            *prometheus.CounterVec
	droppedBytes                 *prometheus.CounterVec
	deletions, deletedRecords    *prometheus.CounterVec
	replayed                     prometheus.Counter
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "clew_storage_" + name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "clew_storage_" + name, Help: help}, labels)
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		batches:    counters("acknowledged_batches_total", "Batches acknowledged, duplicates not counted.", "signal"),
		records:    counters("acknowledged_records_total", "Records acknowledged, duplicates not counted.", "signal"),
		duplicates: counters("duplicate_batches_total", "Batches that had been acknowledged before and were not stored again.", "signal"),
		refused:    counters("refused_batches_total", "Batches refused, by reason.", "signal", "reason"),
		fsync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "clew_storage_fsync_duration_seconds", Help: "How long a group of batches took to write ahead and to sync.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
		walBytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "clew_storage_wal_written_bytes_total", Help: "Bytes written ahead.",
		}),
		headBytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "clew_storage_head_bytes", Help: "Estimated memory of the records that are not in segments yet.",
		}),
		headPeak: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "clew_storage_head_peak_bytes", Help: "The most that clew_storage_head_bytes has been since the start.",
		}),
		segments:          gauges("segments", "Live segments.", "signal"),
		segmentBytes:      gauges("segment_bytes", "Bytes of live segments.", "signal"),
		flushes:           counters("flushes_total", "Flushes of the head, by outcome.", "outcome"),
		compactions:       counters("compactions_total", "Merges of segments, by outcome.", "signal", "outcome"),
		corruptions:       counters("corruptions_total", "Damaged parts of files found, by kind of file.", "file"),
		partitionsDropped: counters("partitions_dropped_total", "Days dropped because they are beyond the retention, by reason.", "signal", "reason"),
		droppedBytes:      counters("dropped_bytes_total", "Bytes of segments dropped because they are beyond the retention, by reason.", "signal", "reason"),
		deletions:         counters("deletions_total", "Requests to delete records that are done.", "signal"),
		deletedRecords:    counters("deleted_records_total", "Records deleted on request.", "signal"),
		replayed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "clew_storage_replayed_records_total", Help: "Records replayed from the write-ahead log at the start.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.batches, m.records, m.duplicates, m.refused, m.fsync, m.walBytes, m.headBytes, m.headPeak, m.segments,
		m.segmentBytes, m.flushes, m.compactions, m.corruptions, m.partitionsDropped, m.droppedBytes, m.deletions, m.deletedRecords, m.replayed,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// The values of the label outcome.
const (
	outcomeGood   = "success"
	outcomeFailed = "failure"
)

func (m *metrics) acknowledged(signal telemetry.Signal, records int) {
	m.batches.WithLabelValues(string(signal)).Inc()
	m.records.WithLabelValues(string(signal)).Add(float64(records))
}

func (m *metrics) synced(bytes int64, took time.Duration) {
	m.fsync.Observe(took.Seconds())
	m.walBytes.Add(float64(bytes))
}

// The kinds of files, as the metric names them.
const (
	fileWAL      = "wal"
	fileSegment  = "segment"
	fileManifest = "manifest"
	fileHead     = "memory"
	fileClosing  = "closing"
)

// damaged counts a damaged part of a file whenever somebody goes without it, and
// logs it once.
func (s *Store) damaged(file string, err error) {
	s.metrics.corruptions.WithLabelValues(file).Inc()
	if s.damages.add(err.Error()) {
		s.deps.Logger.Error("damaged data skipped", "file", file, "err", err)
	}
}

// damages are the damaged parts that were found since the start.
type damages struct {
	mu    sync.Mutex
	first string
	seen  map[string]bool
}

// maxDamages is how many are told apart: who has more knows it by then.
const maxDamages = 1000

// add reports whether the damage is new.
func (d *damages) add(text string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen[text] || len(d.seen) == maxDamages {
		return false
	}
	if d.seen == nil {
		d.seen, d.first = map[string]bool{}, text
	}
	d.seen[text] = true
	return true
}

// String says what was found, "" for nothing.
func (d *damages) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch n := len(d.seen); n {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("damaged and left out since the start: %s; stop the server and run clew check", d.first)
	default:
		return fmt.Sprintf("%d damaged parts left out since the start, the first: %s; the log names them, and clew check of the stopped server", n, d.first)
	}
}
