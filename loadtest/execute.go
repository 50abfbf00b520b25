package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/clewhq/clew/loadtest/chaos"
	"github.com/clewhq/clew/loadtest/compare"
	"github.com/clewhq/clew/loadtest/send"
	"github.com/clewhq/clew/loadtest/ship"
	"github.com/clewhq/clew/loadtest/verify"
	"github.com/clewhq/clew/loadtest/workload"
)

// outcome is what --json prints.
type outcome struct {
	OK       bool            `json:"ok"`
	Workload workloadSummary `json:"workload"`
	Sent     *send.Result    `json:"sent,omitempty"`
	Kills    int             `json:"kills,omitempty"` // of the server, by --chaos
	Verified *verify.Report  `json:"verified,omitempty"`
	Compared *compare.Report `json:"compared,omitempty"`
	Shipped  *ship.Report    `json:"shipped,omitempty"`
}

// workloadSummary is the truth in a few lines.
type workloadSummary struct {
	Seed          uint64         `json:"seed"`
	Start         time.Time      `json:"start"`
	End           time.Time      `json:"end"`
	Requests      int            `json:"requests"`
	Traces        int            `json:"traces"`
	Spans         int            `json:"spans"`
	Logs          int            `json:"logs"`
	Samples       int            `json:"samples"`
	Series        int            `json:"series"`
	Edges         int            `json:"edges"`
	SpansByServ   map[string]int `json:"spans_by_service"`
	LogsByService map[string]int `json:"logs_by_service"`
	Examples      []example      `json:"examples"`
}

// example is an ID worth pulling.
type example struct {
	What string `json:"what"`
	ID   string `json:"id"`
}

// execute does what the options ask, and reports whether all is well.
func execute(ctx context.Context, o *options, stdout, stderr io.Writer) (ok bool, err error) {
	var victim *chaos.Server
	if len(o.chaos.Command) > 0 {
		o.chaos.Output = stderr
		if victim, err = chaos.Start(ctx, o.chaos); err != nil {
			return false, err
		}
		defer func() { err = errors.Join(err, victim.Stop()) }()
	}
	w, doSend, err := settle(ctx, o, stderr)
	if err != nil {
		return false, err
	}
	truth := w.Truth()
	out := outcome{OK: true, Workload: summarize(w, truth)}
	if len(o.compare.Targets) > 0 {
		if out.Compared, err = o.runComparison(ctx, w, truth, stderr); err != nil {
			return false, err
		}
		out.OK, doSend = out.Compared.OK(), false
	}
	if o.ships() {
		if out.Shipped, err = o.runShip(ctx, w, truth, stderr); err != nil {
			return false, err
		}
		doSend = false
	}
	if doSend {
		o.say(stderr, "sending %d spans, %d log records and %d samples to %s", truth.Spans, truth.Logs, truth.Samples, o.send.Endpoint)
		if err := deliver(ctx, o, w, truth, victim, &out); err != nil {
			return false, err
		}
	}
	if o.doVerify {
		o.say(stderr, "asking %s for all of it", o.verify.Server)
		report, err := check(ctx, o, w, truth)
		if err != nil {
			return false, err
		}
		out.Verified = report
		out.OK = out.OK && report.OK
	}
	return out.OK, o.print(stdout, &out)
}

// deliver sends the workload. A victim is killed on the way, and once more
// when all is sent, so that what it answers from then on it has read from its
// disk.
func deliver(ctx context.Context, o *options, w *workload.Workload, truth *workload.Truth, victim *chaos.Server, out *outcome) error {
	tormenting, stop := context.WithCancel(ctx)
	defer stop()
	// A server that did not come back ends the sending, too.
	sending, abort := context.WithCancel(ctx)
	defer abort()
	tormented := make(chan error, 1)
	if victim != nil {
		go func() {
			err := victim.Torment(tormenting)
			if err != nil {
				abort()
			}
			tormented <- err
		}()
	}
	result, err := send.Run(sending, o.send, w, truth)
	if victim != nil {
		stop()
		if err := <-tormented; err != nil {
			return fmt.Errorf("torment the server: %w", err)
		}
		if err := victim.Restart(ctx); err != nil {
			return fmt.Errorf("torment the server: %w", err)
		}
		out.Kills = victim.Kills()
	}
	if err != nil {
		return fmt.Errorf("send workload: %w", err)
	}
	out.Sent = &result
	out.OK = result.Failed == 0 && result.Rejected == 0
	return nil
}

func (o *options) say(stderr io.Writer, format string, args ...any) {
	if !o.quiet && !o.json {
		_, _ = fmt.Fprintf(stderr, format+"\n", args...)
	}
}

func check(ctx context.Context, o *options, w *workload.Workload, truth *workload.Truth) (*verify.Report, error) {
	v, err := verify.New(o.verify, w, truth)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return v.Run(ctx)
}

// settle makes the workload. Where the server that is to be verified holds
// this seed already, its times are taken from there and it is not sent again:
// that would double every record.
func settle(ctx context.Context, o *options, stderr io.Writer) (*workload.Workload, bool, error) {
	w, err := workload.New(o.workload)
	if err != nil || !o.doVerify {
		return w, o.doSend, err
	}
	v, err := verify.New(o.verify, w, &workload.Truth{})
	if err != nil {
		return nil, false, err
	}
	defer v.Close()
	at, sent, err := v.SentAt(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("ask whether the workload is there already: %w", err)
	}
	if !sent {
		return w, o.doSend, nil
	}
	if !o.endGiven {
		o.workload.End = o.workload.End.Add(at.Sub(time.Unix(0, w.Story(0).Spans[0].Start)))
	}
	o.say(stderr, "the server holds seed %d already, up to %s: not sending it again", o.workload.Seed, o.workload.End.UTC().Format(time.RFC3339))
	w, err = workload.New(o.workload)
	return w, false, err
}

func summarize(w *workload.Workload, t *workload.Truth) workloadSummary {
	return workloadSummary{
		Seed: w.Config().Seed, Start: w.Start().UTC(), End: w.End().UTC(),
		Requests: t.Requests, Traces: t.Traces, Spans: t.Spans, Logs: t.Logs,
		Samples: t.Samples, Series: len(t.Series), Edges: len(t.Edges),
		SpansByServ: t.SpansByService, LogsByService: t.LogsByService, Examples: examples(w),
	}
}

// examples picks a checkout that failed and one that went well, from the end,
// where dashboards look first.
func examples(w *workload.Workload) []example {
	var good, failed *workload.Story
	for i := w.Requests() - 1; i >= 0 && (good == nil || failed == nil); i-- {
		s := w.Story(i)
		switch {
		case s.Scenario != "checkout":
		case s.Spans[0].Failed && failed == nil:
			failed = s
		case !s.Spans[0].Failed && good == nil:
			good = s
		}
	}
	var out []example
	if failed != nil {
		out = append(out, example{"trace of a checkout that failed", failed.Traces[0].String()})
	}
	if good != nil {
		out = append(out, example{"request ID of a checkout", good.RequestID},
			example{"its order", good.OrderID}, example{"its customer's session", good.SessionID})
	}
	return out
}

// print writes the outcome.
func (o *options) print(w io.Writer, out *outcome) error {
	if o.json {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(out)
	}
	if !o.quiet {
		o.printSummary(w, out)
	}
	if s := out.Sent; s != nil && (s.Failed > 0 || s.Rejected > 0) {
		_, _ = fmt.Fprintf(w, "not taken: %d records failed, %d were rejected\n", s.Failed, s.Rejected)
		for _, e := range append(s.FirstErrors, s.PartialNotes...) {
			_, _ = fmt.Fprintln(w, "  ", e)
		}
	}
	if out.Compared != nil {
		return out.Compared.Write(w)
	}
	if out.Shipped != nil {
		return out.Shipped.Write(w)
	}
	if out.Verified != nil && (!o.quiet || !out.Verified.OK) {
		return out.Verified.Write(w)
	}
	return nil
}

func (o *options) printSummary(w io.Writer, out *outcome) {
	s := out.Workload
	_, _ = fmt.Fprintf(w, "seed %d, %s to %s\n", s.Seed, s.Start.Format(time.RFC3339), s.End.Format(time.RFC3339))
	_, _ = fmt.Fprintf(w, "  %d requests, %d traces, %d spans, %d log records, %d samples of %d series, %d edges\n",
		s.Requests, s.Traces, s.Spans, s.Logs, s.Samples, s.Series, s.Edges)
	if r := out.Sent; r != nil {
		rate := float64(r.Spans+r.Logs+r.Samples) / max(r.Took.Seconds(), 1e-9)
		_, _ = fmt.Fprintf(w, "  sent in %s: %d requests, %d retries, %.1f MB of protobuf, %.0f records/s\n",
			r.Took.Round(time.Millisecond), r.Requests, r.Retries, float64(r.Bytes)/1e6, rate)
		if out.Kills > 0 {
			_, _ = fmt.Fprintf(w, "  the server was killed %d times\n", out.Kills)
		}
	}
	for _, e := range s.Examples {
		_, _ = fmt.Fprintf(w, "  clew correlate %s   # %s\n", e.ID, e.What)
	}
}
