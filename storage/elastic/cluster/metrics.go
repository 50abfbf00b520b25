package cluster

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.HistogramVec
	retries  prometheus.Counter
	breaker  *prometheus.CounterVec
	full     prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "clew_elasticsearch_request_duration_seconds", Help: "Time of a try of a request to Elasticsearch, by what it asks and how it ended.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"operation", "status"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "clew_elasticsearch_retries_total", Help: "Requests to Elasticsearch that were sent again.",
		}),
		breaker: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clew_elasticsearch_breaker_changes_total", Help: "Changes of the circuit breaker of Elasticsearch, by its new state.",
		}, []string{"to"}),
		full: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "clew_elasticsearch_queries_refused_total", Help: "Requests of queries that were not sent to Elasticsearch because too many others were under way.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(reg.Register(m.requests), reg.Register(m.retries), reg.Register(m.breaker), reg.Register(m.full))
}

// observe counts one try.
func (m *metrics) observe(r Request, err error, took time.Duration) {
	status := "ok"
	if err != nil {
		status = "unreachable"
		if n := Status(err); n != 0 {
			status = strconv.Itoa(n)
		}
	}
	m.requests.WithLabelValues(operation(r), status).Observe(took.Seconds())
}

// operation is the endpoint of a request: _bulk, _search, ...
func operation(r Request) string {
	for _, part := range strings.Split(r.Path, "/") {
		if strings.HasPrefix(part, "_") {
			return part
		}
	}
	return "index"
}
