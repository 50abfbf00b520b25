package health

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	promstorage "github.com/prometheus/prometheus/storage"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Judge says how nodes are. It is safe for concurrent use.
type Judge struct {
	cfg     Config
	records storage.Reader
	metrics func(tenant string) (promstorage.Queryable, error)
}

// New returns a judge over what is stored. metrics may be nil where there are
// none, and so may what it returns.
func New(cfg Config, records storage.Reader, metrics func(tenant string) (promstorage.Queryable, error)) *Judge {
	return &Judge{cfg: cfg, records: records, metrics: metrics}
}

// Question asks about the nodes of a map.
type Question struct {
	Tenant   string
	From, To int64 // Unix nanoseconds
	Nodes    []Subject
	// Calls are the nodes that each service calls.
	Calls map[string][]string
}

// Findings are what a judge knows of nodes, by their IDs.
type Findings struct {
	Reasons map[string][]Reason
	// Well are nodes that were looked after and found to be well.
	Well map[string]bool
	// Dependencies are what services say of what they need.
	Dependencies map[string][]Dependency
	// Edges are the reasons of the calls from one node to another one.
	Edges map[[2]string][]Reason
	// Services only send metrics: they are none of the nodes that were asked for.
	Services []string
	// Warnings say what could not be looked at.
	Warnings []string
}

// look is a question under way.
type look struct {
	Question
	cfg      Config
	records  storage.Reader
	metrics  *metricsReader // nil where there are none
	subjects *subjects
	found    *Findings
}

// Look answers a question. What could not be read is a warning: a map without
// it is better than none.
func (j *Judge) Look(ctx context.Context, q Question) (*Findings, error) {
	l := &look{Question: q, cfg: j.cfg, records: j.records, subjects: newSubjects(q.Nodes), found: &Findings{
		Reasons: map[string][]Reason{}, Well: map[string]bool{}, Dependencies: map[string][]Dependency{}, Edges: map[[2]string][]Reason{}}}
	if err := l.open(j.metrics); err != nil {
		l.warn(err)
	}
	for _, signal := range []telemetry.Signal{telemetry.Logs, telemetry.Traces} {
		var stats storage.ReadStats
		streams, err := j.records.Streams(ctx, q.Tenant, signal, q.From, q.To, &stats)
		if err != nil {
			l.warn(fmt.Errorf("list streams: %w", err))
		}
		l.lacks(&stats)
		l.subjects.addStreams(streams)
	}
	steps := []func(context.Context) error{l.events}
	if l.metrics != nil {
		steps = []func(context.Context) error{l.services, l.alerts, l.restarts, l.checks, l.events}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			l.warn(err)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	for id := range l.found.Reasons {
		Sort(l.found.Reasons[id])
		l.found.Reasons[id] = l.found.Reasons[id][:min(len(l.found.Reasons[id]), j.cfg.MaxReasons)]
	}
	return l.found, nil
}

func (l *look) open(metrics func(tenant string) (promstorage.Queryable, error)) error {
	if metrics == nil {
		return nil
	}
	source, err := metrics(l.Tenant)
	if err != nil {
		return fmt.Errorf("open the metrics: %w", err)
	}
	if source != nil {
		l.metrics = &metricsReader{source: source, left: l.cfg.MaxSamples}
	}
	return nil
}

func (l *look) warn(err error) {
	if text := err.Error(); !errors.Is(err, context.Canceled) && !slices.Contains(l.found.Warnings, text) {
		l.found.Warnings = append(l.found.Warnings, text)
	}
}

// lacks warns of what a read is missing.
func (l *look) lacks(stats *storage.ReadStats) {
	for _, w := range stats.Warnings {
		l.warn(errors.New(w))
	}
}

func (l *look) blame(ids []string, r Reason) {
	for _, id := range ids {
		l.found.Reasons[id] = append(l.found.Reasons[id], r)
	}
}

func (l *look) lookback() int64 { return int64(l.cfg.Lookback) }

// settled ends a stretch of something that happens, and is not a state, when
// it was long ago.
func (l *look) settled(first, last int64) stretch {
	if last+int64(l.cfg.Settle) < l.To {
		return stretch{first, last}
	}
	return stretch{since: first}
}

// promLink is the path that answers a PromQL selector over the range.
func (l *look) promLink(selector string) string {
	return "/prometheus/api/v1/query_range?" + url.Values{"query": {selector}, "start": {seconds(l.From)}, "end": {seconds(l.To)}, "step": {"60"}}.Encode()
}

func seconds(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339) }

// clock is a time of day for a text; the reason carries the exact one.
func clock(ns int64) string { return time.Unix(0, ns).UTC().Format("15:04:05") + " UTC" }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// listed names a few of many.
func listed(names []string) string {
	const few = 3
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > few {
		return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", len(names)-few)
	}
	return strings.Join(names, ", ")
}
