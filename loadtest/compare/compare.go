package compare

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/clewhq/clew/loadtest/send"
	"github.com/clewhq/clew/loadtest/workload"
)

// Report is the outcome of a comparison.
type Report struct {
	Loads []*Loaded `json:"loads,omitempty"`
	Asked []*Asked  `json:"asked"`
}

// member is a target with its process.
type member struct {
	Target
	process process
}

// run is one comparison.
type run struct {
	cfg     Config
	members []*member
	http    *http.Client
	now     func() time.Time
	sleep   func(context.Context, time.Duration) error
}

// Run loads the targets one after another, signal by signal, and then asks
// them in turns.
func Run(ctx context.Context, cfg Config, w *workload.Workload, truth *workload.Truth) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("read comparison settings: %w", err)
	}
	r := &run{cfg: cfg, now: time.Now, sleep: sleep}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	r.http = &http.Client{Transport: transport, Timeout: cfg.Timeout}
	defer r.http.CloseIdleConnections()
	for _, t := range cfg.Targets {
		m := &member{Target: t, process: process{cfg.Proc, t.PID}}
		if t.PID == 0 {
			var err error
			if m.process, err = findProcess(cfg.Proc, t.OTLP); err != nil {
				return nil, fmt.Errorf("find %s: %w", t.Name, err)
			}
		}
		r.members = append(r.members, m)
	}
	report := &Report{}
	if cfg.Load {
		if err := r.loadAll(ctx, w, truth, report); err != nil {
			return nil, err
		}
	}
	qs := questions(w, cfg.Questions)
	for _, kind := range allKinds {
		r.say("asking for %s", kind)
		asked, err := r.ask(ctx, kind, qs[kind])
		if err != nil {
			return nil, err
		}
		report.Asked = append(report.Asked, asked...)
	}
	return report, nil
}

func (r *run) loadAll(ctx context.Context, w *workload.Workload, truth *workload.Truth, report *Report) error {
	for _, signal := range []send.Signal{send.Logs, send.Traces} {
		for _, t := range r.members {
			if !slices.Contains(kinds[t.Name].signals, signal) {
				continue
			}
			loaded, err := r.load(ctx, t, signal, w, truth)
			if err != nil {
				return err
			}
			report.Loads = append(report.Loads, loaded)
		}
	}
	return nil
}

func (r *run) say(format string, args ...any) {
	if r.cfg.Log != nil {
		_, _ = fmt.Fprintf(r.cfg.Log, format+"\n", args...)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
