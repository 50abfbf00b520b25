package cluster

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "clew_elasticsearch_request_duration_seconds", Help: "Time of a try of a request to Elasticsearch, by what it asks and how it ended.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"operation", "status"}),
	}
	if reg == nil {
		return m, nil
	}
	return m, reg.Register(m.requests)
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
