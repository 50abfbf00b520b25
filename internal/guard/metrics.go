package guard

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are one dependency's.
type metrics struct {
	state   prometheus.Gauge
	changes *prometheus.CounterVec
	retries prometheus.Counter
	refused *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, dependency string) *metrics {
	of := prometheus.Labels{"dependency": dependency}
	m := &metrics{
		state: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "clew_circuit_breaker_state", Help: "0 where the circuit breaker is closed, 1 half open, 2 open.", ConstLabels: of,
		}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clew_circuit_breaker_changes_total", Help: "Changes of the circuit breaker, by its new state.", ConstLabels: of,
		}, []string{"to"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "clew_call_retries_total", Help: "Calls that were made again.", ConstLabels: of,
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clew_calls_refused_total", Help: "Calls that were not made: full, too many were under way; open, an operator has opened the breaker.", ConstLabels: of,
		}, []string{"reason"}),
	}
	if reg == nil {
		return m
	}
	m.state, m.changes = registered(reg, m.state), registered(reg, m.changes)
	m.retries, m.refused = registered(reg, m.retries), registered(reg, m.refused)
	m.state.Set(0)
	return m
}

// registered returns c, or what stands there already under its name: a
// dependency whose address changes keeps its numbers.
func registered[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	err := reg.Register(c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if old, ok := there.ExistingCollector.(C); ok {
			return old
		}
	}
	if err != nil {
		panic(err) // two kinds of metrics under one name, as MustRegister has it
	}
	return c
}

func (m *metrics) to(state string) {
	m.changes.WithLabelValues(state).Inc()
	m.state.Set(map[string]float64{Closed: 0, HalfOpen: 1, Open: 2}[state])
}
