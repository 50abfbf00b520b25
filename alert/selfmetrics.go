package alert

import "github.com/prometheus/client_golang/prometheus"

// selfMetrics is what alerting tells of itself, beside Prometheus's own
// prometheus_rule_* and prometheus_notifications_*.
type selfMetrics struct {
	reloads *prometheus.CounterVec
	files   *prometheus.GaugeVec
}

func newSelfMetrics(reg prometheus.Registerer) *selfMetrics {
	m := &selfMetrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clew_alert_reloads_total",
			Help: "How often the rules folder was read, by result: good, or bad where a file was wrong.",
		}, []string{"result"}),
		files: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "clew_alert_rule_files",
			Help: "Rule files by state: loaded, or bad. Of a bad one an earlier version may be loaded.",
		}, []string{"state"}),
	}
	if reg != nil {
		reg.MustRegister(m.reloads, m.files)
	}
	return m
}

func (m *selfMetrics) reloaded(err error, loaded, bad int) {
	result := "good"
	if err != nil {
		result = "bad"
	}
	m.reloads.WithLabelValues(result).Inc()
	m.files.WithLabelValues("loaded").Set(float64(loaded))
	m.files.WithLabelValues("bad").Set(float64(bad))
}
