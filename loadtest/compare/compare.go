package compare

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/clewhq/clew/internal/wait"
	"github.com/clewhq/clew/loadtest/proc"
	"github.com/clewhq/clew/loadtest/send"
	"github.com/clewhq/clew/loadtest/serve"
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
	process proc.Process
	server  *serve.Process // nil where it was not started here
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
func Run(ctx context.Context, cfg Config, w *workload.Workload, truth *workload.Truth) (_ *Report, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("read comparison settings: %w", err)
	}
	r := &run{cfg: cfg, now: time.Now, sleep: wait.For}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	r.http = &http.Client{Transport: transport, Timeout: cfg.Timeout}
	defer r.http.CloseIdleConnections()
	defer func() {
		for _, m := range r.members {
			err = errors.Join(err, m.stop())
		}
	}()
	for _, t := range cfg.Targets {
		if err := r.add(ctx, t); err != nil {
			return nil, err
		}
	}
	report := &Report{}
	if cfg.Load {
		if err := r.loadAll(ctx, w, truth, report); err != nil {
			return nil, err
		}
	}
	if cfg.Cold > 0 {
		return report, r.askCold(ctx, questions(w, cfg.Cold), report)
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

// add runs a target's program, or finds the process of the one that is running.
func (r *run) add(ctx context.Context, t Target) (err error) {
	m := &member{Target: t, process: proc.Process{Root: r.cfg.Proc, PID: t.PID}}
	r.members = append(r.members, m)
	if err := r.start(ctx, m); err != nil {
		return err
	}
	if m.process.PID == 0 {
		if m.process, err = proc.Find(r.cfg.Proc, t.OTLP); err != nil {
			return fmt.Errorf("find %s: %w", t.Name, err)
		}
	}
	return nil
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
