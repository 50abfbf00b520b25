package server

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

	promstorage "github.com/prometheus/prometheus/storage"

	"github.com/clewhq/clew/alert"
	"github.com/clewhq/clew/internal/guard"
	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/metrics/remote"
)

// watch is what looks at the process from inside.
type watch struct {
	health *health
	intake *intake
}

// watchItself starts the loops behind /api/v1/health, /api/v1/status, clew's
// own metrics and the limits in the configuration file.
func (s *Server) watchItself(context.Context) error {
	s.reloads = newReloader(s)
	s.watch = &watch{
		health: &health{version: s.version, started: time.Now(), probes: s.probes, log: s.log},
		intake: &intake{gather: s.reg, reader: s.stores.records},
	}
	loops := []func(context.Context){s.watch.intake.run, s.watch.health.run, s.reloads.run}
	if every := time.Duration(s.cfg.Telemetry.StoreMetrics); every > 0 {
		open := func() (promstorage.Appendable, error) { return s.stores.metrics.Tenant(tenant.Anonymous) }
		m := &selfMetrics{gather: s.reg, open: open, every: every, instance: s.cfg.Server.HTTPListen, log: s.log}
		loops = append(loops, m.run)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, loop := range loops {
		running.Go(func() { loop(ctx) })
	}
	s.onStop("looking at itself", func(context.Context) error {
		cancel()
		running.Wait()
		return nil
	})
	return nil
}

// probes are the things that clew needs, as its health shows them.
func (s *Server) probes() []probe {
	records := "local store of logs and spans"
	if s.stores.elastic != nil {
		records = "way of logs and spans to elasticsearch"
	}
	samples := "local store of metrics"
	if s.stores.remote != nil {
		samples = "way of metrics to their store"
	}
	out := []probe{
		storeProbe(records, s.stores.records.Health),
		storeProbe(samples, s.stores.metrics.Health),
	}
	if s.stores.remote != nil {
		out = append(out, func(context.Context) Dependency { return remoteHealth(s.stores.remote.Remote()) })
	}
	if s.stores.elastic != nil {
		out = append(out, func(context.Context) Dependency { return elasticHealth(s.stores.elastic.Remote()) })
	}
	if l, ok := s.stores.records.(*local.Store); ok {
		if _, on := l.ObjectStorage(); on {
			out = append(out, func(context.Context) Dependency {
				h, _ := l.ObjectStorage()
				return objectsHealth(h)
			})
		}
	}
	s.rulers.each(func(name string, r *ruler) {
		out = append(out, func(context.Context) Dependency { return r.health(name, time.Duration(s.cfg.Alert.SendTimeout)) })
	})
	if m := s.alerts.Load(); m != nil {
		for _, e := range m.Endpoints() {
			out = append(out, func(context.Context) Dependency { return alertmanagerHealth(e, time.Duration(s.cfg.Alert.SendTimeout)) })
		}
	}
	return out
}

// expectedFsync is how long a healthy disk takes to acknowledge, in milliseconds.
const expectedFsync = 20

func storeProbe(name string, look func() storage.Health) probe {
	return func(context.Context) Dependency {
		h := look()
		d := Dependency{
			Name: name, Type: "storage", Status: "ok", Connected: true, CircuitBreaker: "closed", LastError: h.Err,
			ResponseTime: ResponseTime{Average: milliseconds(h.Fsync), Expected: expectedFsync},
		}
		if !h.Writable {
			d.Status = "degraded" // what is stored can be read
		}
		if h.Damage != "" {
			d.Status = "degraded" // what is whole is served
			d.LastError = cmp.Or(d.LastError, h.Damage)
		}
		return d
	}
}

// elasticHealth is down while the breaker is open: requests are still taken
// where they wait in the write-ahead log, but queries cannot be answered.
func elasticHealth(r elastic.Remote) Dependency {
	return Dependency{
		Name: strings.Join(r.Addresses, ","), Type: "elasticsearch", Status: behindBreaker(r.Breaker, r.LastError),
		Connected: r.LastError == "" || r.LastError == r.Stuck, CircuitBreaker: r.Breaker, LastError: r.LastError,
		ResponseTime: ResponseTime{Average: milliseconds(r.Average), Expected: milliseconds(r.Expected)},
	}
}

// remoteHealth is down while the breaker is open, as elasticHealth.
func remoteHealth(r remote.Remote) Dependency {
	return Dependency{
		Name: r.URL, Type: "prometheus", Status: behindBreaker(r.Breaker, r.LastError), Connected: r.LastError == "", CircuitBreaker: r.Breaker,
		LastError:    r.LastError,
		ResponseTime: ResponseTime{Average: milliseconds(r.Average), Expected: milliseconds(r.Expected)},
	}
}

// behindBreaker is the status of what is called through a circuit breaker.
func behindBreaker(state, lastError string) string {
	switch {
	case state == guard.Open:
		return "down"
	case state == guard.HalfOpen || lastError != "":
		return "degraded"
	}
	return "ok"
}

// objectsHealth is degraded at the worst: without object storage records are
// taken in and, as far as they are here, read.
func objectsHealth(h object.Health) Dependency {
	d := Dependency{
		Name: "object storage " + h.Name, Type: "objects", Status: "ok", Connected: h.Err == nil, CircuitBreaker: h.Breaker,
		ResponseTime: ResponseTime{Average: milliseconds(h.Average), Expected: milliseconds(h.Expected)},
	}
	if h.Err != nil {
		d.Status, d.LastError = "degraded", h.Err.Error()
	}
	return d
}

// alertmanagerHealth counts one that nothing was sent to yet as good: alerts
// are rare, and nothing is wrong so far.
func alertmanagerHealth(e alert.Endpoint, expected time.Duration) Dependency {
	d := Dependency{
		Name: e.Address, Type: "alertmanager", Status: "ok", Connected: e.Connected, CircuitBreaker: e.Breaker, LastError: e.LastError,
		ResponseTime: ResponseTime{Average: milliseconds(e.Average), Expected: milliseconds(expected)},
	}
	switch {
	case e.Contacted && !e.Connected, e.Breaker == guard.Open:
		d.Status = "down"
	case e.Breaker == guard.HalfOpen:
		d.Status = "degraded"
	}
	return d
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
