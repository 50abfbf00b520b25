package metrics

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// The TSDB's counters of failed writes to its two write-ahead logs. They are
// raised under the log's own lock, so whoever logs after a failure sees it;
// nothing else of the TSDB tells of a failure that hit another commit, and
// nothing at all of one that hit the log of out-of-order samples.
var failureCounters = []string{
	`"prometheus_tsdb_wal_writes_failed_total"`,
	`"prometheus_tsdb_out_of_order_wbl_writes_failed_total"`,
}

// corruptionCounter counts the repairs of a write-ahead log at opening.
const corruptionCounter = `"prometheus_tsdb_wal_corruptions_total"`

// tsdbRegistry is the registerer of one open TSDB. It passes collectors on to
// the server's registry, labelled with the tenant, takes them all back when
// the TSDB closes, and reads the failure counters.
type tsdbRegistry struct {
	next prometheus.Registerer // may be nil

	mu         sync.Mutex
	registered []prometheus.Collector
	failures   []prometheus.Collector
	repairs    []prometheus.Collector
}

func newTSDBRegistry(next prometheus.Registerer, tenant string) *tsdbRegistry {
	r := &tsdbRegistry{}
	if next != nil {
		r.next = prometheus.WrapRegistererWith(prometheus.Labels{"tenant": tenant}, next)
	}
	return r
}

// Register implements prometheus.Registerer.
func (r *tsdbRegistry) Register(c prometheus.Collector) error {
	if r.next != nil {
		if err := r.next.Register(c); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.registered = append(r.registered, c)
	switch {
	case describes(c, failureCounters...):
		r.failures = append(r.failures, c)
	case describes(c, corruptionCounter):
		r.repairs = append(r.repairs, c)
	}
	return nil
}

// MustRegister implements prometheus.Registerer.
func (r *tsdbRegistry) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := r.Register(c); err != nil {
			panic(err) // two TSDBs for one tenant: a broken invariant
		}
	}
}

// Unregister implements prometheus.Registerer.
func (r *tsdbRegistry) Unregister(c prometheus.Collector) bool {
	return r.next == nil || r.next.Unregister(c)
}

// release takes back everything that was registered.
func (r *tsdbRegistry) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.registered {
		r.Unregister(c)
	}
	r.registered = nil
}

// failed reports whether any write to a write-ahead log failed since the TSDB
// was opened.
func (r *tsdbRegistry) failed() bool { return anyCounted(r.failures) }

// repaired reports whether opening the TSDB repaired a write-ahead log.
func (r *tsdbRegistry) repaired() bool { return anyCounted(r.repairs) }

func anyCounted(cs []prometheus.Collector) bool {
	for _, c := range cs {
		if counterValue(c) > 0 {
			return true
		}
	}
	return false
}

// describes reports whether c has a metric of one of the names.
func describes(c prometheus.Collector, names ...string) bool {
	descs := make(chan *prometheus.Desc, 64)
	go func() {
		c.Describe(descs)
		close(descs)
	}()
	found := false
	for d := range descs {
		for _, name := range names {
			found = found || strings.Contains(d.String(), name)
		}
	}
	return found
}

func counterValue(c prometheus.Collector) float64 {
	ch := make(chan prometheus.Metric, 1)
	c.Collect(ch)
	var m dto.Metric
	if err := (<-ch).Write(&m); err != nil {
		return 0
	}
	return m.GetCounter().GetValue()
}
