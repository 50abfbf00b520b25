// Package coverage tells how well the signals of every service join: what share
// of its log records belongs to a trace, of its spans to log records, of its
// traces to a root, and which calls nobody answered for. It is what
// GET /api/v1/coverage says, and tells a team which service to instrument next.
//
// It reads through package storage's interfaces.
package coverage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
)

// Config bounds what the answer may cost.
type Config struct {
	// DefaultRange is the time that is looked at where a question says no from.
	DefaultRange model.Duration `yaml:"default_range"`
	// MaxRecords is how many log records, and how many spans, are looked at;
	// what is beyond makes the answer partial.
	MaxRecords int `yaml:"max_records"`
}

// DefaultConfig returns the settings that serve without being thought about.
func DefaultConfig() Config {
	return Config{DefaultRange: model.Duration(time.Hour), MaxRecords: 2_000_000}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	if c.DefaultRange <= 0 || c.MaxRecords < 1 {
		return fmt.Errorf("default_range is %s and max_records %d: want more than 0", c.DefaultRange, c.MaxRecords)
	}
	return nil
}

// Query selects what is looked at.
type Query struct {
	Tenant   string
	From, To int64 // Unix nanoseconds, From <= t < To
}

// Answer is how well things join, as the API says it.
type Answer struct {
	Services []Service `json:"services"` // those to look after first
	Total    Figures   `json:"total"`
	Partial  bool      `json:"partial"`
	Warnings []string  `json:"warnings"`
}

// Service is one service's figures.
type Service struct {
	Name string `json:"name"`
	Figures
	// Advice says what would help most, "" where all is well.
	Advice string `json:"advice"`
}

// Figures are counts and the shares that follow from them. A share of nothing
// is 1.
type Figures struct {
	Logs          int `json:"logs"`
	LogsWithTrace int `json:"logs_with_trace"`
	// LogsJoined are those of them whose trace was found in their own text.
	LogsJoined    int `json:"logs_joined"`
	Spans         int `json:"spans"`
	SpansWithLogs int `json:"spans_with_logs"`
	// Traces are those that the service has a span of. TracesWithoutRoot have
	// no span without a parent, and count for the service of their earliest
	// span; TracesWithMissingParents have a span of this service whose parent
	// is not stored.
	Traces                   int `json:"traces"`
	TracesWithoutRoot        int `json:"traces_without_root"`
	TracesWithMissingParents int `json:"traces_with_missing_parents"`
	// CallsUnanswered are calls to this service, by name, for which it sent no
	// span: requests that never reached it, or that it did not trace.
	CallsUnanswered int `json:"calls_unanswered"`

	LogsWithTraceShare     float64 `json:"logs_with_trace_share"`
	SpansWithLogsShare     float64 `json:"spans_with_logs_share"`
	TracesWithRootShare    float64 `json:"traces_with_root_share"`
	TracesWithParentsShare float64 `json:"traces_with_parents_share"`
}

func (f *Figures) shares() {
	f.LogsWithTraceShare = share(f.LogsWithTrace, f.Logs)
	f.SpansWithLogsShare = share(f.SpansWithLogs, f.Spans)
	f.TracesWithRootShare = share(f.Traces-f.TracesWithoutRoot, f.Traces)
	f.TracesWithParentsShare = share(f.Traces-f.TracesWithMissingParents, f.Traces)
}

func share(part, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(part) / float64(of)
}

// Engine answers. It is safe for concurrent use.
type Engine struct {
	cfg    Config
	reader storage.Reader
}

// New returns an engine over reader.
func New(cfg Config, reader storage.Reader) *Engine { return &Engine{cfg: cfg, reader: reader} }

// Config returns what the engine was made with.
func (e *Engine) Config() Config { return e.cfg }

// Coverage tells how well the records of q join.
func (e *Engine) Coverage(ctx context.Context, q Query) (*Answer, error) {
	c := &count{services: map[string]*Figures{}, logged: map[spanKey]bool{}}
	a := &Answer{Services: []Service{}, Warnings: []string{}}
	if err := e.logs(ctx, q, c, a); err != nil {
		return nil, err
	}
	if err := e.spans(ctx, q, c, a); err != nil {
		return nil, err
	}
	c.pair(&a.Total)
	for name, f := range c.services {
		f.shares()
		a.Services = append(a.Services, Service{Name: name, Figures: *f, Advice: advice(f)})
		a.Total.Logs += f.Logs
		a.Total.LogsWithTrace += f.LogsWithTrace
		a.Total.LogsJoined += f.LogsJoined
		a.Total.Spans += f.Spans
		a.Total.SpansWithLogs += f.SpansWithLogs
		a.Total.CallsUnanswered += f.CallsUnanswered
	}
	a.Total.shares()
	slices.SortFunc(a.Services, func(x, y Service) int {
		return cmp.Or(cmp.Compare(lost(&y.Figures), lost(&x.Figures)), strings.Compare(x.Name, y.Name))
	})
	return a, nil
}

// lost is how many records of a service do not join: what instrumenting it
// would win.
func lost(f *Figures) int {
	return f.Logs - f.LogsWithTrace + f.TracesWithoutRoot + f.TracesWithMissingParents + f.CallsUnanswered
}

// advice names the greatest loss.
func advice(f *Figures) string {
	type loss struct {
		n    int
		text string
	}
	worst := slices.MaxFunc([]loss{
		{0, ""},
		{f.Logs - f.LogsWithTrace, "put the trace context into its logs"},
		{f.TracesWithoutRoot, "trace what calls it, or where its requests begin"},
		{f.TracesWithMissingParents, "find out why spans of its callers are lost"},
		{f.CallsUnanswered, "it is called and sends no span of it: trace it, or pass the context on"},
	}, func(a, b loss) int { return cmp.Compare(a.n, b.n) })
	if f.Logs > 0 && f.Spans == 0 && f.CallsUnanswered == 0 {
		return "it logs and sends no spans: trace it"
	}
	return worst.text
}

func (e *Engine) logs(ctx context.Context, q Query, c *count, a *Answer) error {
	var stats storage.ReadStats
	lq := storage.LogQuery{Tenant: q.Tenant, From: q.From, To: q.To, Columns: storage.ColAttrs, Stats: &stats}
	read := 0
	for batch, err := range e.reader.Logs(ctx, lq) {
		if done, err := a.ended(err, "logs", read, e.cfg.MaxRecords); done {
			return err
		}
		read += len(batch)
		for i := range batch {
			l := &batch[i]
			f := c.of(l.Stream)
			f.Logs++
			if l.TraceID.IsZero() {
				continue
			}
			f.LogsWithTrace++
			if l.Attrs.Text(correlation.AttrJoined) != "" {
				f.LogsJoined++
			}
			if !l.SpanID.IsZero() {
				c.logged[spanKey{l.TraceID, l.SpanID}] = true
			}
		}
	}
	a.note(&stats)
	return nil
}

func (e *Engine) spans(ctx context.Context, q Query, c *count, a *Answer) error {
	var stats storage.ReadStats
	sq := storage.SpanQuery{Tenant: q.Tenant, From: q.From, To: q.To, Columns: storage.ColSpan | storage.ColAttrs, Stats: &stats}
	for batch, err := range e.reader.Spans(ctx, sq) {
		if done, err := a.ended(err, "spans", len(c.spans), e.cfg.MaxRecords); done {
			return err
		}
		for i := range batch {
			c.add(&batch[i])
		}
	}
	a.note(&stats)
	return nil
}

// ended reports whether a read is over: by an error, which is returned unless
// it is a budget's, or by the bound on records.
func (a *Answer) ended(err error, what string, read, most int) (bool, error) {
	switch {
	case errors.Is(err, storage.ErrBudget):
		a.Warnings = append(a.Warnings, err.Error())
	case err != nil:
		return true, fmt.Errorf("read %s: %w", what, err)
	case read >= most:
		a.Warnings = append(a.Warnings, fmt.Sprintf("more than %d %s in the range: the rest is not counted", most, what))
	default:
		return false, nil
	}
	a.Partial = true
	return true, nil
}

func (a *Answer) note(stats *storage.ReadStats) {
	a.Partial = a.Partial || len(stats.Warnings) > 0
	a.Warnings = append(a.Warnings, stats.Warnings...)
}
