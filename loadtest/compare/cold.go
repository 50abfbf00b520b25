package compare

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/clewhq/clew/loadtest/proc"
	"github.com/clewhq/clew/loadtest/serve"
)

// coldKinds are asked of servers that were just started, in this order.
var coldKinds = []Kind{IDInText, LogsOfTrace, TraceByID}

// start runs the target's program, where it has one to run.
func (r *run) start(ctx context.Context, t *member) error {
	if len(t.Command) == 0 {
		return nil
	}
	cfg := serve.DefaultConfig()
	cfg.Command, cfg.ReadyURL = t.Command, t.URL+kinds[t.Name].readyPath
	cfg.ReadyWithin, cfg.StopWithin = r.cfg.StartWithin, r.cfg.StartWithin
	var err error
	if t.server, err = serve.Start(ctx, cfg); err != nil {
		return fmt.Errorf("run %s: %w", t.Name, err)
	}
	t.process = proc.Process{Root: r.cfg.Proc, PID: t.server.PID()}
	return nil
}

// stop ends the target's program, where it was started here.
func (t *member) stop() error {
	if t.server == nil {
		return nil
	}
	err := t.server.Stop()
	t.server = nil
	if err != nil {
		return fmt.Errorf("end %s: %w", t.Name, err)
	}
	return nil
}

// askCold asks each target each kind of look-up as the first question after a
// start with no page of its program and its data in memory. The targets take
// turns, so that other work on the machine meets all of them.
func (r *run) askCold(ctx context.Context, qs map[Kind][]question, report *Report) error {
	for _, kind := range coldKinds {
		able, asked := r.able(kind)
		r.say("asking for %s, cold", kind)
		for _, q := range qs[kind] {
			for i, t := range able {
				if err := r.restartCold(ctx, t); err != nil {
					return err
				}
				r.http.CloseIdleConnections()
				if err := r.askTurn(ctx, t, []question{q}, asked[i]); err != nil {
					return err
				}
			}
		}
		for _, a := range asked {
			a.finish()
		}
		report.Asked = append(report.Asked, asked...)
	}
	return nil
}

// restartCold starts the target again with nothing of it in the page cache.
// Nobody else is running meanwhile.
func (r *run) restartCold(ctx context.Context, t *member) error {
	for _, other := range r.members {
		if err := other.stop(); err != nil {
			return err
		}
	}
	program, err := exec.LookPath(t.Command[0])
	if err != nil {
		return fmt.Errorf("find the program of %s: %w", t.Name, err)
	}
	for _, dir := range append([]string{program}, t.Dirs...) {
		if err := dropPages(dir); err != nil {
			return fmt.Errorf("drop the pages of %s: %w", t.Name, err)
		}
	}
	if err := r.start(ctx, t); err != nil {
		return err
	}
	return r.sleep(ctx, r.cfg.ColdPause)
}

// dropPages takes a file, or all files of a directory, out of the page cache.
func dropPages(path string) error {
	return filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		return forgetFile(f)
	})
}
