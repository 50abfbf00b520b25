package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/clewhq/clew/loadtest/compare"
	"github.com/clewhq/clew/loadtest/workload"
)

// peerFlags are the flags of a comparison as they were given.
type peerFlags struct {
	peers                     string
	pids, dirs, otlps, serves []string
}

func (o *options) peerFlags(fs *flag.FlagSet) {
	c, p := &o.compare, &o.peers
	fs.StringVar(&p.peers, "peer", "", "compare with `name=url,...`: the same load and the same questions to --endpoint and --server and to each of these; names: "+strings.Join(compare.Names(), ", "))
	list := func(into *[]string) func(string) error {
		return func(s string) error { *into = append(*into, s); return nil }
	}
	fs.Func("peer-otlp", "`name=url`: where a peer takes OTLP, if not at its --peer address; may be given more than once", list(&p.otlps))
	fs.Func("pid", "`name=PID`: the process of clew or a peer, if not who listens where it takes OTLP; may be given more than once", list(&p.pids))
	fs.Func("dir", "`name=DIR`: where clew or a peer keeps its data; may be given more than once", list(&p.dirs))
	fs.Func("serve", "`name=COMMAND`: the command line that runs clew or a peer, which is started and in the end stopped; may be given more than once", list(&p.serves))
	fs.IntVar(&c.Cold, "cold", 0, "ask only look-ups by ID, so many of each kind, each the first question after a start with nothing in the page cache; needs --serve and --dir of all")
	fs.DurationVar(&c.ColdPause, "cold-pause", c.ColdPause, "time from such a start to its question")
	fs.IntVar(&c.Questions, "questions", c.Questions, "questions of each kind")
	fs.IntVar(&c.Rounds, "rounds", c.Rounds, "turns in which they are asked")
	fs.IntVar(&c.WarmUp, "warm-up", c.WarmUp, "questions of each kind asked before anything is measured")
	fs.DurationVar(&c.SettleMin, "settle-min", c.SettleMin, "shortest wait for a loaded store to settle, such as until it flushes by age")
	fs.DurationVar(&c.SettleMax, "settle-max", c.SettleMax, "longest wait for a loaded store to settle")
}

// settlePeers turns the flags into what is compared.
func (o *options) settlePeers() error {
	p := o.peers
	if p.peers == "" {
		if len(p.pids)+len(p.dirs)+len(p.otlps)+len(p.serves) > 0 {
			return errors.New("--pid, --dir, --peer-otlp and --serve need --peer")
		}
		return nil
	}
	peers, err := compare.ParsePeers(p.peers)
	if err != nil {
		return err
	}
	clew := compare.Target{Name: compare.Clew, URL: strings.TrimSuffix(o.verify.Server, "/"), OTLP: o.send.Endpoint}
	o.compare.Targets = append([]compare.Target{clew}, peers...)
	for _, given := range []struct {
		what  string
		pairs []string
	}{{"pid", p.pids}, {"dir", p.dirs}, {"peer-otlp", p.otlps}, {"serve", p.serves}} {
		for _, pair := range given.pairs {
			if err := compare.Assign(o.compare.Targets, given.what, pair); err != nil {
				return err
			}
		}
	}
	o.compare.Send, o.compare.Load = o.send, o.doSend
	return nil
}

// readLines reads the real lines of a mix.
func (o *options) readLines() error {
	if !o.workload.Mix {
		return nil
	}
	if o.lines == "" {
		return errors.New("--mix needs --lines, a directory of files *.log")
	}
	lines, err := workload.ReadLines(os.DirFS(o.lines))
	if err != nil {
		return fmt.Errorf("read --lines %s: %w", o.lines, err)
	}
	o.workload.Lines = lines
	return nil
}

func (o *options) runComparison(ctx context.Context, w *workload.Workload, truth *workload.Truth, stderr io.Writer) (*compare.Report, error) {
	cfg := o.compare
	if !o.quiet && !o.json {
		cfg.Log = stderr
	}
	return compare.Run(ctx, cfg, w, truth)
}
