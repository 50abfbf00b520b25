package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clewhq/clew/internal/guard"
	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/server/members"
)

// rulers is the way to the processes that evaluate rules. A nil one knows of
// none. It is safe for concurrent use.
type rulers struct {
	cfg    config.Config
	log    *slog.Logger
	reg    prometheus.Registerer
	client *http.Client

	mu  sync.Mutex
	all map[string]*ruler // by what operators call them
}

// ruler is the way to one of them.
type ruler struct {
	guard *guard.Guard[ruleAnswer]
	run   failsafe.Executor[ruleAnswer]
}

// refusedError is an answer that is not a success.
type refusedError struct {
	code int
	text string
}

// Error implements error.
func (e *refusedError) Error() string {
	return fmt.Sprintf("it answers %d %s: %s", e.code, http.StatusText(e.code), e.text)
}

func newRulers(cfg config.Config, log *slog.Logger, reg prometheus.Registerer) *rulers {
	t := http.DefaultTransport.(*http.Transport).Clone()
	return &rulers{cfg: cfg, log: log, reg: reg, client: &http.Client{Transport: t}, all: map[string]*ruler{}}
}

func (rs *rulers) close() { rs.client.CloseIdleConnections() }

// rulerName is what operators call the breaker of a member.
func rulerName(member string) string { return "ruler-" + member }

// to returns the ways to members, and forgets those to others.
func (rs *rulers) to(list []members.Member) []*ruler {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	out, there := make([]*ruler, len(list)), map[string]bool{}
	for i, m := range list {
		name := rulerName(m.Name)
		there[name] = true
		if rs.all[name] == nil {
			rs.all[name] = newRuler(name, rs.cfg, rs.log, rs.reg)
		}
		out[i] = rs.all[name]
	}
	maps.DeleteFunc(rs.all, func(name string, _ *ruler) bool { return !there[name] })
	return out
}

// each calls do with all that are known, in the order of their names.
func (rs *rulers) each(do func(name string, r *ruler)) {
	if rs == nil {
		return
	}
	rs.mu.Lock()
	all := maps.Clone(rs.all)
	rs.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		do(name, all[name])
	}
}

func newRuler(name string, cfg config.Config, log *slog.Logger, reg prometheus.Registerer) *ruler {
	a := cfg.Alert
	g := guard.New(guard.Config{
		Name:     name,
		Failures: a.BreakerFailures, Requests: a.BreakerRequests, Delay: time.Duration(a.BreakerDelay),
		Retries: a.Retries, Backoff: time.Duration(a.RetryBackoff), BackoffMax: time.Duration(a.RetryBackoffMax),
		RetryFor: time.Duration(a.SendTimeout), Concurrency: cfg.Cluster.AskConcurrency, Wait: time.Duration(a.SendTimeout),
	}, guard.Deps{Logger: log, Registerer: reg}, guard.Outcomes[ruleAnswer]{Broken: rulerBroken, Passing: rulerBroken})
	return &ruler{guard: g, run: failsafe.With(g.Retry(), g.Breaker())}
}

// rulerBroken: what is refused as such will be refused again, and who asks may
// have gone.
func rulerBroken(_ ruleAnswer, err error) bool {
	var refused *refusedError
	if errors.As(err, &refused) {
		return refused.code >= http.StatusInternalServerError || refused.code == http.StatusTooManyRequests
	}
	return err != nil && !errors.Is(err, context.Canceled)
}

// health counts one that was not asked yet as good.
func (r *ruler) health(name string, expected time.Duration) Dependency {
	state, last := r.guard.State(), r.guard.LastError()
	return Dependency{
		Name: name, Type: "ruler", Status: behindBreaker(state, last), Connected: last == "", CircuitBreaker: state, LastError: last,
		ResponseTime: ResponseTime{Average: milliseconds(r.guard.Average()), Expected: milliseconds(expected)},
	}
}

// askAll asks the rulers at once. One that does not answer is a warning.
func (rs *rulers) askAll(r *http.Request, list []members.Member, field string) ruleAnswer {
	answers, errs := make([]ruleAnswer, len(list)), make([]error, len(list))
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(rs.cfg.Alert.SendTimeout))
	defer cancel()
	var asking sync.WaitGroup
	for i, way := range rs.to(list) {
		asking.Go(func() { answers[i], errs[i] = rs.ask(ctx, way, r, list[i].URL) })
	}
	asking.Wait()
	out := ruleAnswer{Status: "success", Data: map[string][]json.RawMessage{field: {}}}
	seen := map[string]bool{}
	for i, a := range answers {
		if errs[i] != nil {
			out.Warnings = append(out.Warnings, fmt.Sprintf("the rules of ruler %s are missing: %v", list[i].Name, errs[i]))
			continue
		}
		out.Warnings = append(out.Warnings, a.Warnings...)
		for _, one := range a.Data[field] {
			if key := identity(one); !seen[key] {
				seen[key] = true
				out.Data[field] = append(out.Data[field], one)
			}
		}
	}
	slices.SortStableFunc(out.Data[field], func(a, b json.RawMessage) int { return strings.Compare(identity(a), identity(b)) })
	return out
}

// ask passes a question on until it is answered, or ctx ends.
func (rs *rulers) ask(ctx context.Context, way *ruler, r *http.Request, url string) (ruleAnswer, error) {
	if err := way.guard.Check(); err != nil {
		return ruleAnswer{}, err
	}
	leave, err := way.guard.Enter(ctx)
	if err != nil {
		return ruleAnswer{}, err
	}
	defer leave()
	return way.run.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[ruleAnswer]) (ruleAnswer, error) {
		began := time.Now()
		out, err := rs.askOnce(e.Context(), r, url)
		way.guard.Took(time.Since(began))
		switch {
		case err == nil:
			way.guard.Ended("")
		case rulerBroken(out, err):
			way.guard.Ended(err.Error())
		}
		return out, err
	})
}

// askOnce passes a question on, with the asker's own rights.
func (rs *rulers) askOnce(ctx context.Context, r *http.Request, url string) (out ruleAnswer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+r.URL.RequestURI(), nil)
	if err != nil {
		return out, err
	}
	req.Header.Set(ownOnly, "1")
	for _, name := range []string{"Authorization", tenant.Header} {
		if v := r.Header.Get(name); v != "" {
			req.Header.Set(name, v)
		}
	}
	res, err := rs.client.Do(req)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
		return out, errors.Join(&refusedError{res.StatusCode, string(text)}, err)
	}
	return out, json.NewDecoder(res.Body).Decode(&out)
}

// maxRefusal is how much is told of what a ruler says where it does not answer.
const maxRefusal = 1 << 10
