package admission

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clewhq/clew/telemetry"
)

type metrics struct {
	received  *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	rejected  *prometheus.CounterVec
	refused   *prometheus.CounterVec
	duplicate *prometheus.CounterVec
	joined    prometheus.Counter
	repeated  prometheus.Counter
	duration  *prometheus.HistogramVec
	inFlight  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "clew", Subsystem: "collector", Name: name, Help: help}, labels)
	}
	m := &metrics{
		received:  counter("received_records_total", "Log records, spans and metric data points that came in, rejected ones included.", "signal", "protocol"),
		bytes:     counter("received_bytes_total", "Bytes of request bodies, decompressed.", "signal", "protocol"),
		rejected:  counter("rejected_records_total", "Records that were rejected alone, by reason.", "signal", "reason"),
		refused:   counter("refused_requests_total", "Requests that were refused as a whole, by reason.", "signal", "protocol", "reason"),
		duplicate: counter("duplicate_requests_total", "Requests that were acknowledged before and not stored again.", "signal"),
		joined: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "clew", Subsystem: "collector", Name: "joined_records_total",
			Help: "Log records that came without a trace ID and got the one that stands in their attributes or text.",
		}),
		repeated: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "clew", Subsystem: "collector", Name: "repeated_lines_total",
			Help: "Lines of files that came again in another request and were not stored again.",
		}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "clew", Subsystem: "collector", Name: "request_duration_seconds",
			Help:    "Time from the first byte read to the answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"signal", "protocol"}),
	}
	m.inFlight = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "clew", Subsystem: "collector", Name: "in_flight_bytes",
		Help: "Memory reserved for requests that are being read, decoded and written.",
	})
	if reg != nil {
		reg.MustRegister(m.received, m.bytes, m.rejected, m.refused, m.duplicate, m.joined, m.repeated, m.duration, m.inFlight)
	}
	return m
}

// Received counts what came in. The gate counts logs and spans itself; this
// is for metrics, which take another road.
func (g *Gate) Received(signal telemetry.Signal, protocol string, records, bytes int) {
	g.metrics.received.WithLabelValues(string(signal), protocol).Add(float64(records))
	g.metrics.bytes.WithLabelValues(string(signal), protocol).Add(float64(bytes))
}

// Rejected counts records that were rejected alone.
func (g *Gate) Rejected(signal telemetry.Signal, reason string, records int) {
	g.metrics.rejected.WithLabelValues(string(signal), reason).Add(float64(records))
}

// Done counts how a request ended: how long it took since start, and why it
// was refused if err is not nil. It returns err as a Refusal, nil for nil.
func (g *Gate) Done(signal telemetry.Signal, protocol string, start time.Time, err error) *Refusal {
	g.metrics.duration.WithLabelValues(string(signal), protocol).Observe(g.now().Sub(start).Seconds())
	if err == nil {
		return nil
	}
	r := g.Refuse(err)
	g.metrics.refused.WithLabelValues(string(signal), protocol, r.Reason).Inc()
	if r.Reason == "internal" {
		g.logger.Error("refusing a request because the store failed", "signal", signal, "protocol", protocol, "err", err)
	}
	return r
}

// Now is the server's clock.
func (g *Gate) Now() time.Time { return g.now() }
