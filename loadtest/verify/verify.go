package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/clewhq/clew/loadtest/workload"
)

// Config says which server to ask and how much.
type Config struct {
	// Server is the base URL of the server's HTTP listener.
	Server string
	// Headers go with every question.
	Headers map[string]string
	// Sample is how many requests of the workload are looked up one by one;
	// 0 is all of them. Counts, map and metrics are always compared whole.
	Sample int
	// Parallel is how many questions are asked at once.
	Parallel int
	// Timeout ends one question.
	Timeout time.Duration
	// LogPage is how many log lines are asked for at once.
	LogPage int
}

// DefaultConfig asks this host's server for everything.
func DefaultConfig() Config {
	return Config{Server: "http://127.0.0.1:2539", Parallel: 4, Timeout: time.Minute, LogPage: 5000}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	u, err := url.Parse(c.Server)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return fmt.Errorf("server is %q: want a URL such as http://127.0.0.1:2539", c.Server)
	case c.Sample < 0:
		return fmt.Errorf("sample is %d: want 0 for all, or a number of requests", c.Sample)
	case c.Parallel < 1:
		return fmt.Errorf("parallel is %d: want at least 1", c.Parallel)
	case c.LogPage < 2:
		return fmt.Errorf("log page is %d: want at least 2", c.LogPage)
	case c.Timeout <= 0:
		return fmt.Errorf("timeout is %s: want a positive time", c.Timeout)
	}
	return nil
}

// Verifier compares a server with the truth.
type Verifier struct {
	cfg   Config
	w     *workload.Workload
	truth *workload.Truth
	api   *api
	// from and to enclose the window with some room.
	from, to time.Time
}

// room is left around the window on both sides, so that no server's idea of
// open and closed ends matters.
const room = 10 * time.Second

// New returns a verifier of w, whose truth the caller has at hand.
func New(cfg Config, w *workload.Workload, truth *workload.Truth) (*Verifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("read verification settings: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = cfg.Parallel
	return &Verifier{
		cfg: cfg, w: w, truth: truth,
		api:  &api{base: cfg.Server, headers: cfg.Headers, http: &http.Client{Transport: transport, Timeout: cfg.Timeout}},
		from: w.Start().Add(-room), to: w.End().Add(room),
	}, nil
}

// Close ends the connections to the server.
func (v *Verifier) Close() { v.api.http.CloseIdleConnections() }

// Run asks everything. It returns an error only where ctx ended first.
func (v *Verifier) Run(ctx context.Context) (*Report, error) {
	checks := []struct {
		name string
		run  func(context.Context, *Check)
	}{
		{"log counts", v.logCounts},
		{"log lines", v.logLines},
		{"log search by id", v.logSearch},
		{"traces", v.traces},
		{"trace search", v.traceSearch},
		{"correlation", v.correlation},
		{"sessions", v.sessions},
		{"service map", v.serviceMap},
		{"jaeger", v.jaeger},
		{"metrics", v.metrics},
		{"exemplars", v.exemplars},
	}
	report := &Report{OK: true}
	for _, c := range checks {
		check := &Check{Name: c.name}
		began := time.Now()
		c.run(ctx, check)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("verify %s: %w", c.name, err)
		}
		check.Took = time.Since(began)
		report.Checks = append(report.Checks, check)
		report.OK = report.OK && check.OK()
	}
	return report, nil
}

// SentAt asks whether the server already holds the workload's first request,
// and when that began.
func (v *Verifier) SentAt(ctx context.Context) (time.Time, bool, error) {
	first := v.w.Story(0)
	spans, err := v.fetchTrace(ctx, first.Traces[0])
	if errors.Is(err, errNotFound) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, err
	}
	for _, s := range spans {
		if s.id == first.Spans[0].ID.String() {
			return time.Unix(0, s.start), true, nil
		}
	}
	return time.Time{}, false, nil
}

// eachStory calls ask for every request of the sample, several at once. The
// sample is spread evenly over the workload.
func (v *Verifier) eachStory(ctx context.Context, most int, ask func(*workload.Story)) {
	n := v.w.Requests()
	if most == 0 || most > n {
		most = n
	}
	indexes := make(chan int)
	var wg sync.WaitGroup
	for range v.cfg.Parallel {
		wg.Go(func() {
			for i := range indexes {
				if ctx.Err() == nil {
					ask(v.w.Story(i))
				}
			}
		})
	}
	for k := range most {
		indexes <- k * n / most
	}
	close(indexes)
	wg.Wait()
}

// sample is the sample's size, or at most this many where all are asked for
// and the question is an expensive one.
func (v *Verifier) sample(most int) int {
	if v.cfg.Sample == 0 || v.cfg.Sample > most {
		return most
	}
	return v.cfg.Sample
}

// multiset counts strings.
type multiset map[string]int

// compare notes how got differs from want.
func (c *Check) compare(got, want multiset, what string) {
	for k, n := range want {
		switch g := got[k]; {
		case g < n:
			c.find(Lost, n-g, "%s: %.160q", what, k)
		case g > n:
			c.find(Doubled, g-n, "%s: %.160q is there %d times, want %d", what, k, g, n)
		}
	}
	for k, n := range got {
		if want[k] == 0 {
			c.find(Wrong, n, "%s: %.160q was not sent", what, k)
		}
	}
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
