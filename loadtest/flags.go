package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/clewhq/clew/loadtest/chaos"
	"github.com/clewhq/clew/loadtest/compare"
	"github.com/clewhq/clew/loadtest/send"
	"github.com/clewhq/clew/loadtest/ship"
	"github.com/clewhq/clew/loadtest/verify"
	"github.com/clewhq/clew/loadtest/workload"
)

// options is what the command line says.
type options struct {
	workload workload.Config
	send     send.Config
	verify   verify.Config
	chaos    chaos.Config
	compare  compare.Config
	ship     ship.Config
	peers    peerFlags
	lines    string
	doSend   bool
	doVerify bool
	endGiven bool
	quiet    bool
	json     bool
}

func parseFlags(args []string, stderr io.Writer, now time.Time) (*options, error) {
	o := &options{
		workload: workload.DefaultConfig(now.Truncate(time.Second)),
		send:     send.DefaultConfig(),
		verify:   verify.DefaultConfig(),
		chaos:    chaos.DefaultConfig(),
		compare:  compare.DefaultConfig(),
		ship:     ship.DefaultConfig(),
	}
	fs := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		_, _ = fmt.Fprint(stderr, "Usage: loadtest [flags]\n\nSends a made-up shop's telemetry as OTLP; with --verify, checks that the server holds exactly that.\n\n")
		fs.PrintDefaults()
	}
	var end, tenant string
	var headers headerFlags
	o.workloadFlags(fs, &end)
	o.sendFlags(fs)
	o.verifyFlags(fs)
	o.chaosFlags(fs)
	o.peerFlags(fs)
	o.shipFlags(fs)
	fs.StringVar(&tenant, "tenant", "", "tenant, sent as X-Scope-OrgID")
	fs.Var(&headers, "header", "header `name=value` for every request; may be given more than once")
	fs.BoolVar(&o.quiet, "quiet", false, "print nothing but what is wrong")
	fs.BoolVar(&o.json, "json", false, "print the outcome as JSON")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q: only flags are taken", fs.Arg(0))
	}
	if end != "" {
		t, err := time.Parse(time.RFC3339Nano, end)
		if err != nil {
			return nil, fmt.Errorf("read --end: %w", err)
		}
		o.workload.End, o.endGiven = t, true
	}
	if tenant != "" {
		headers.set("X-Scope-OrgID", tenant)
	}
	o.send.Headers, o.verify.Headers = headers, headers
	o.chaos.Seed, o.chaos.ReadyURL = o.workload.Seed, strings.TrimSuffix(o.verify.Server, "/")+"/readyz"
	if err := o.settlePeers(); err != nil {
		return nil, err
	}
	if err := o.readLines(); err != nil {
		return nil, err
	}
	return o, o.validate()
}

func (o *options) workloadFlags(fs *flag.FlagSet, end *string) {
	w := &o.workload
	fs.Uint64Var(&w.Seed, "seed", w.Seed, "what everything but the times follows from")
	fs.IntVar(&w.Requests, "traces", w.Requests, "customer requests, one trace each and two for a checkout")
	fs.IntVar(&w.Spans, "spans", 0, "spans to reach, instead of --traces")
	fs.IntVar(&w.Logs, "logs", 0, "log records; 0 is as many as the services write by themselves")
	fs.DurationVar(&w.Window, "duration-of-data", w.Window, "the time over which the data spread")
	fs.StringVar(end, "end", "", "end of that time, RFC 3339 (default now)")
	fs.BoolVar(&w.Mix, "mix", false, "make three of ten log records real lines, taken from --lines; needs --logs")
	fs.StringVar(&o.lines, "lines", "", "`directory` of files *.log with real lines")
	fs.DurationVar(&w.MetricStep, "metric-step", w.MetricStep, "time between two points of a metric")
}

func (o *options) sendFlags(fs *flag.FlagSet) {
	s := &o.send
	fs.BoolVar(&o.doSend, "send", true, "send the workload; false with --verify only asks")
	fs.StringVar(&s.Endpoint, "endpoint", s.Endpoint, "OTLP endpoint over HTTP")
	fs.IntVar(&s.Senders, "senders", s.Senders, "requests under way at once")
	fs.IntVar(&s.BatchRecords, "batch", s.BatchRecords, "records in a request")
	fs.IntVar(&s.Rate, "rate", 0, "records per second at most; 0 is no bound")
	fs.BoolVar(&s.Gzip, "gzip", s.Gzip, "compress requests")
	fs.DurationVar(&s.RetryFor, "retry-for", s.RetryFor, "how long to try again when the endpoint is busy or away")
}

func (o *options) verifyFlags(fs *flag.FlagSet) {
	v := &o.verify
	fs.BoolVar(&o.doVerify, "verify", false, "ask the server for everything; a workload that it already holds is not sent again")
	fs.StringVar(&v.Server, "server", v.Server, "the server's HTTP listener")
	fs.IntVar(&v.Sample, "verify-sample", 0, "requests to look up one by one; 0 is all")
	fs.IntVar(&v.Parallel, "verify-parallel", v.Parallel, "questions asked at once")
	fs.DurationVar(&v.Timeout, "verify-timeout", v.Timeout, "time for one answer")
}

func (o *options) chaosFlags(fs *flag.FlagSet) {
	fs.Func("chaos", "`command` line of the server, which is started, and killed and restarted while sending and once after", func(s string) error {
		o.chaos.Command = strings.Fields(s)
		if len(o.chaos.Command) == 0 {
			return errors.New("want a command line such as \"bin/clew serve --data-dir /tmp/clew\"")
		}
		return nil
	})
	fs.DurationVar(&o.chaos.Every, "chaos-every", o.chaos.Every, "typical time from one kill to the next")
}

func (o *options) validate() error {
	if o.ships() {
		if err := o.validateShip(); err != nil {
			return err
		}
	}
	if len(o.compare.Targets) > 0 {
		if o.doVerify || len(o.chaos.Command) > 0 {
			return errors.New("--peer goes neither with --verify nor with --chaos")
		}
		if err := o.compare.Validate(); err != nil {
			return err
		}
	} else if !o.doSend && !o.doVerify {
		return fmt.Errorf("nothing to do: --send=false without --verify")
	}
	if err := o.workload.Validate(); err != nil {
		return err
	}
	if err := o.send.Validate(); err != nil {
		return err
	}
	if len(o.chaos.Command) > 0 {
		if err := o.chaos.Validate(); err != nil {
			return err
		}
	}
	return o.verify.Validate()
}

// headerFlags collects --header.
type headerFlags map[string]string

// String is the flag's default as help prints it.
func (h *headerFlags) String() string { return "" }

// Set takes one name=value.
func (h *headerFlags) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q: want name=value", s)
	}
	h.set(name, value)
	return nil
}

func (h *headerFlags) set(name, value string) {
	if *h == nil {
		*h = headerFlags{}
	}
	(*h)[name] = value
}
