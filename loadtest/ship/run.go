package ship

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/clewhq/clew/internal/freeport"
	"github.com/clewhq/clew/internal/wait"
	"github.com/clewhq/clew/loadtest/proc"
	"github.com/clewhq/clew/loadtest/send"
	"github.com/clewhq/clew/loadtest/serve"
	"github.com/clewhq/clew/loadtest/workload"
)

// run is one comparison.
type run struct {
	cfg     Config
	cluster *cluster
	w       *workload.Workload
	truth   *workload.Truth
}

// Run gives each side its turns: all bring the same records into the empty
// cluster, logs and spans for themselves, and what they made is removed again.
func Run(ctx context.Context, cfg Config, w *workload.Workload, truth *workload.Truth) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("read comparison settings: %w", err)
	}
	r := &run{cfg: cfg, w: w, truth: truth, cluster: &cluster{
		url: cfg.Elasticsearch, http: &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(), Timeout: cfg.Timeout},
	}}
	defer r.cluster.http.CloseIdleConnections()
	report := &Report{}
	chosen := cfg.chosen()
	for round := range cfg.Rounds + 1 {
		for i := range chosen {
			s := chosen[(i+round)%len(chosen)] // who goes first has the colder cluster
			for _, signal := range []send.Signal{send.Logs, send.Traces} {
				t, err := r.turn(ctx, s, signal)
				if err != nil {
					return nil, fmt.Errorf("%s of %s: %w", signal, s.name, err)
				}
				r.say("round %d: %s", round, t)
				if round > 0 {
					report.Turns = append(report.Turns, t)
				}
			}
		}
	}
	return report, nil
}

// turn brings one signal into the cluster with one side.
func (r *run) turn(ctx context.Context, s side, signal send.Signal) (_ *Turn, err error) {
	if err := r.cluster.clear(ctx, s); err != nil {
		return nil, err
	}
	if err := r.cluster.setUp(ctx, s); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.cluster.clear(ctx, s)) }()
	dir, err := os.MkdirTemp("", "ship-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	t := &Turn{Side: s.name, Signal: signal}
	if err := r.bring(ctx, s, dir, t); err != nil {
		return nil, err
	}
	return t, r.weigh(ctx, s, t)
}

// bring runs the side's program, sends it the records, and measures what that
// takes until all of them are in Elasticsearch.
func (r *run) bring(ctx context.Context, s side, dir string, t *Turn) (err error) {
	p, server, err := r.start(ctx, s, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	process := proc.Process{Root: r.cfg.Proc, PID: server.PID()}
	before, err := r.spent(ctx, process)
	if err != nil {
		return err
	}
	cfg := r.cfg.Send
	cfg.Endpoint, cfg.Signals = "http://"+p.OTLP, []send.Signal{t.Signal}
	sent, err := send.Run(ctx, cfg, r.w, r.truth)
	if err != nil {
		return err
	}
	if sent.Failed > 0 || sent.Rejected > 0 {
		return fmt.Errorf("%d records were not taken: %v", sent.Failed+int(sent.Rejected), append(sent.FirstErrors, sent.PartialNotes...))
	}
	t.Records = sent.Logs + sent.Spans
	after, err := r.settle(ctx, s, process, t)
	if err != nil {
		return err
	}
	_, t.PeakMemory, err = process.Memory()
	t.Program, t.Elasticsearch = after.program-before.program, after.cluster-before.cluster
	return err
}

// start writes the side's configuration and runs its program with it.
func (r *run) start(ctx context.Context, s side, dir string) (place, *serve.Process, error) {
	p := place{Elasticsearch: r.cfg.Elasticsearch, Dir: dir}
	for _, at := range []*string{&p.HTTP, &p.OTLP, &p.GRPC} {
		var err error
		if *at, err = freeport.Address(); err != nil {
			return p, nil, err
		}
	}
	config, err := s.writeConfig(p)
	if err != nil {
		return p, nil, err
	}
	cfg := serve.DefaultConfig()
	cfg.Command = slices.Concat([]string{r.cfg.Programs[s.program]}, s.args(config))
	cfg.ReadyURL, cfg.ReadyWithin, cfg.StopWithin = "http://"+p.HTTP+s.ready, r.cfg.StartWithin, r.cfg.StartWithin
	server, err := serve.Start(ctx, cfg)
	return p, server, err
}

// spent is the CPU time of a program and of the cluster so far.
type spent struct{ program, cluster time.Duration }

func (r *run) spent(ctx context.Context, p proc.Process) (out spent, err error) {
	if out.program, err = p.CPU(); err != nil {
		return out, err
	}
	out.cluster, err = r.cluster.cpu(ctx)
	return out, err
}

// idleShare is how much of one CPU a program or cluster that has nothing to do
// may use.
const idleShare = 0.1

// settle waits until all records are in the cluster, and nothing is done about
// them any more.
func (r *run) settle(ctx context.Context, s side, p proc.Process, t *Turn) (spent, error) {
	began := time.Now()
	last, err := r.spent(ctx, p)
	for at := began; err == nil; {
		if err := wait.For(ctx, r.cfg.Quiet); err != nil {
			return last, err
		}
		now, took := time.Now(), time.Since(at)
		next, failed := r.spent(ctx, p)
		in, also := r.cluster.taken(ctx, s.streams[t.Signal])
		if err = errors.Join(failed, also); err != nil {
			break
		}
		busy := max(next.program-last.program, next.cluster-last.cluster)
		if in >= t.Records && float64(busy) <= idleShare*float64(took) {
			return next, nil
		}
		if now.Sub(began) > r.cfg.SettleMax {
			return next, fmt.Errorf("%d of %d records are in Elasticsearch after %s", in, t.Records, r.cfg.SettleMax)
		}
		last, at = next, now
	}
	return last, err
}

// weigh merges what the side made, and measures how much room it takes.
func (r *run) weigh(ctx context.Context, s side, t *Turn) error {
	var names []string
	for _, stream := range s.streams {
		names = append(names, stream)
	}
	before, err := r.cluster.cpu(ctx)
	if err != nil {
		return err
	}
	if err := r.cluster.merge(ctx, append(names, s.others...)...); err != nil {
		return err
	}
	after, err := r.cluster.cpu(ctx)
	if err != nil {
		return err
	}
	t.Merge = after - before
	docs, records, err := r.cluster.holds(ctx, names...)
	if err != nil {
		return err
	}
	_, rest, err := r.cluster.holds(ctx, s.others...)
	t.Docs, t.Bytes = docs, records+rest
	if err == nil && t.Docs < t.Records {
		err = fmt.Errorf("%d documents are in Elasticsearch, %d records were sent", t.Docs, t.Records)
	}
	return err
}

func (r *run) say(format string, args ...any) {
	if r.cfg.Log != nil {
		_, _ = fmt.Fprintf(r.cfg.Log, format+"\n", args...)
	}
}
