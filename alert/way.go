package alert

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clewhq/clew/internal/guard"
)

// way leads to one Alertmanager. The notifier sends one request at a time, so
// nothing else bounds those under way.
type way struct {
	guard     *guard.Guard[*http.Response]
	run       failsafe.Executor[*http.Response]
	timeout   time.Duration // of one try
	contacted atomic.Bool
}

// wayName is what operators call the n-th Alertmanager of the configuration.
func wayName(n int) string { return fmt.Sprintf("alertmanager-%d", n) }

func newWay(n int, cfg Config, reg prometheus.Registerer, log *slog.Logger) *way {
	w := &way{timeout: time.Duration(cfg.SendTimeout)}
	w.guard = guard.New(guard.Config{
		Name:     wayName(n),
		Failures: cfg.BreakerFailures, Requests: cfg.BreakerRequests, Delay: time.Duration(cfg.BreakerDelay),
		Retries: cfg.Retries, Backoff: time.Duration(cfg.RetryBackoff), BackoffMax: time.Duration(cfg.RetryBackoffMax),
		RetryFor: time.Duration(cfg.RetryFor),
	}, guard.Deps{Logger: log, Registerer: reg}, guard.Outcomes[*http.Response]{Broken: broken, Passing: broken})
	w.run = failsafe.With(w.guard.Retry(), w.guard.Breaker())
	return w
}

// broken reports whether an Alertmanager does not work as it should: other
// refusals are about the alerts, and will be the same the next time.
func broken(r *http.Response, err error) bool {
	return err != nil || r.StatusCode >= http.StatusInternalServerError || r.StatusCode == http.StatusTooManyRequests
}

// send sends a request until it is taken, or patience ends.
func (w *way) send(ctx context.Context, client *http.Client, req *http.Request) (*http.Response, error) {
	if err := w.guard.Check(); err != nil {
		return nil, err
	}
	return w.run.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[*http.Response]) (*http.Response, error) {
		began := time.Now()
		res, err := w.try(e.Context(), client, req)
		w.contacted.Store(true)
		w.guard.Took(time.Since(began))
		switch {
		case err != nil:
			w.guard.Ended(err.Error())
		case res.StatusCode/100 != 2:
			w.guard.Ended("answered " + res.Status)
		default:
			w.guard.Ended("")
		}
		return res, err
	})
}

// maxAnswer is how much of an answer is read, so that its connection can be
// used again. What it says is of no interest.
const maxAnswer = 64 << 10

func (w *way) try(ctx context.Context, client *http.Client, req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	one := req.Clone(ctx)
	if req.GetBody != nil {
		var err error
		if one.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	res, err := client.Do(one)
	if err != nil {
		return nil, err
	}
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer)
	_ = res.Body.Close()
	res.Body = http.NoBody
	return res, nil
}

func (w *way) endpoint(address string) Endpoint {
	e := Endpoint{
		Address: address, Contacted: w.contacted.Load(), Average: w.guard.Average(),
		LastError: w.guard.LastError(), Breaker: w.guard.State(),
	}
	e.Connected = e.Contacted && e.LastError == ""
	return e
}
