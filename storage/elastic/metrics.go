package elastic

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	acknowledged   *prometheus.CounterVec
	duplicates     *prometheus.CounterVec
	refused        *prometheus.CounterVec
	indexed        *prometheus.CounterVec
	existing       *prometheus.CounterVec
	deadLetters    *prometheus.CounterVec
	deletions      *prometheus.CounterVec
	deleted        *prometheus.CounterVec
	parkedRequests *prometheus.CounterVec
	parked         *prometheus.GaugeVec
	retried        prometheus.Counter
	pending        prometheus.Gauge
	window         prometheus.Gauge
	corruptions    prometheus.Counter
	dropped        prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	signal := []string{"signal"}
	counter := func(name, help string, labels []string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "clew_elastic_" + name, Help: help}, labels)
	}
	m := &metrics{
		acknowledged:   counter("acknowledged_records_total", "Records acknowledged, by signal.", signal),
		duplicates:     counter("duplicate_requests_total", "Requests that were acknowledged before, by signal.", signal),
		refused:        counter("refused_requests_total", "Requests refused, by signal and reason.", []string{"signal", "reason"}),
		indexed:        counter("indexed_records_total", "Records that Elasticsearch has taken, by signal.", signal),
		existing:       counter("existing_records_total", "Records sent again that Elasticsearch had already, by signal.", signal),
		deadLetters:    counter("dead_letters_total", "Records that Elasticsearch refused for good and that are in the dead letters, by signal.", signal),
		deletions:      counter("deletions_total", "Requests to delete records that are done, by signal.", signal),
		deleted:        counter("deleted_records_total", "Records deleted on request, by signal.", signal),
		parkedRequests: counter("parked_requests_total", "Requests parked because their index took nothing, by signal.", signal),
		parked:         prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "clew_elastic_parked_bytes", Help: "Requests parked because their index takes nothing, in bytes, by tenant and signal; none where there are none."}, []string{"tenant", "signal"}),
		retried:        prometheus.NewCounter(prometheus.CounterOpts{Name: "clew_elastic_retried_documents_total", Help: "Documents sent again because Elasticsearch could not take them at that moment."}),
		pending:        prometheus.NewGauge(prometheus.GaugeOpts{Name: "clew_elastic_pending_bytes", Help: "Requests acknowledged and not in Elasticsearch yet, in bytes."}),
		window:         prometheus.NewGauge(prometheus.GaugeOpts{Name: "clew_elastic_bulk_window", Help: "Bulk requests that may be under way at once at the moment."}),
		corruptions:    prometheus.NewCounter(prometheus.CounterOpts{Name: "clew_elastic_wal_corruptions_total", Help: "Damaged parts of the write-ahead log that were skipped."}),
		dropped:        prometheus.NewCounter(prometheus.CounterOpts{Name: "clew_elastic_dropped_indices_total", Help: "Indices dropped because all in them was older than the retention."}),
	}
	if reg == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.acknowledged, m.duplicates, m.refused, m.indexed, m.existing, m.deadLetters, m.deletions, m.deleted, m.parkedRequests, m.parked, m.retried, m.pending, m.window, m.corruptions, m.dropped} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
