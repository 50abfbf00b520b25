package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/clewhq/clew/storage"
)

// ErrBadRequest is wrapped by errors that the one who asks can mend.
var ErrBadRequest = errors.New("bad request")

// Request is one question.
type Request struct {
	Tenant   string
	From, To int64 // Unix nanoseconds, From <= t < To
	// Signal is traces or logs.
	Signal string
	// Selection and Baseline are TraceQL for traces and LogQL for logs. An
	// empty Baseline is everything that the selection does not hold.
	Selection, Baseline string
	// By is what is counted of traces: spans, or whole traces.
	By    string
	Limit int // 0 for the default
}

// What is counted.
const (
	BySpans  = "spans"
	ByTraces = "traces"
	ByLogs   = "logs"
)

// Answer is how the two selections differ, as the API says it.
type Answer struct {
	Signal    string `json:"signal"`
	By        string `json:"by"` // what is counted: spans, traces or logs
	Selection Side   `json:"selection"`
	Baseline  Side   `json:"baseline"`
	// Differences are the attributes and values that the selection has more
	// often, those with the greatest difference first; then those that it has
	// less often, the greatest difference last.
	Differences []Difference `json:"differences"`
	Partial     bool         `json:"partial"`
	Warnings    []string     `json:"warnings"`
}

// Side is one of the two selections.
type Side struct {
	Query string `json:"query"`
	Count int    `json:"count"`
}

// Difference is an attribute's value and how often it occurs.
type Difference struct {
	Scope          string  `json:"scope"` // resource, scope, attribute, intrinsic or event
	Key            string  `json:"key"`
	Value          string  `json:"value"`
	Selection      int     `json:"selection"`
	Baseline       int     `json:"baseline"`
	SelectionShare float64 `json:"selection_share"`
	BaselineShare  float64 `json:"baseline_share"`
	// Difference is the one share minus the other one, from -1 to 1.
	Difference float64 `json:"difference"`
}

// Engine compares. It is safe for concurrent use.
type Engine struct {
	cfg     Config
	reader  storage.Reader
	selects storage.Selectors
}

// New returns an engine over reader, which is told by selectors what queries
// mean.
func New(cfg Config, reader storage.Reader, selectors storage.Selectors) *Engine {
	return &Engine{cfg: cfg, reader: reader, selects: selectors}
}

// Config returns what the engine was made with.
func (e *Engine) Config() Config { return e.cfg }

// Compare ranks what is more frequent on one side than on the other one.
func (e *Engine) Compare(ctx context.Context, q Request) (*Answer, error) {
	if err := e.complete(&q); err != nil {
		return nil, err
	}
	a := &Answer{Signal: q.Signal, By: q.By, Selection: Side{Query: q.Selection}, Baseline: Side{Query: q.Baseline}, Warnings: []string{}}
	c := newCounter(e.cfg)
	r := &reading{e: e, q: q, c: c, a: a}
	var err error
	switch q.By {
	case ByLogs:
		err = r.logs(ctx)
	case BySpans:
		err = r.spans(ctx)
	default:
		err = r.traces(ctx)
	}
	if err != nil {
		return nil, err
	}
	if c.dropped {
		a.warn("more than %d different values: the rest is not counted", e.cfg.MaxValues)
	}
	a.Selection.Count, a.Baseline.Count = c.totals[selected], c.totals[baseline]
	a.Differences = c.ranked(q.Limit)
	return a, nil
}

func (e *Engine) complete(q *Request) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrBadRequest, fmt.Sprintf(format, args...))
	}
	switch {
	case strings.TrimSpace(q.Selection) == "":
		return bad("selection is empty: want a query for the records to look at, such as { status = error }")
	case q.From < 0 || q.To <= q.From:
		return bad("to must be after from")
	case q.Limit < 0 || q.Limit > e.cfg.MaxLimit:
		return bad("limit is %d: want 1 to %d", q.Limit, e.cfg.MaxLimit)
	}
	if q.Limit == 0 {
		q.Limit = e.cfg.DefaultLimit
	}
	switch q.Signal {
	case "", "traces":
		q.Signal = "traces"
		if q.By == "" {
			q.By = BySpans
		}
		if q.By != BySpans && q.By != ByTraces {
			return bad("by is %q: want spans or traces", q.By)
		}
	case "logs":
		if q.By != "" && q.By != ByLogs {
			return bad("by is %q: log records are counted one by one", q.By)
		}
		q.By = ByLogs
	default:
		return bad("signal is %q: want traces or logs", q.Signal)
	}
	return nil
}

func (a *Answer) warn(format string, args ...any) {
	a.Partial = true
	a.Warnings = append(a.Warnings, fmt.Sprintf(format, args...))
}

// minCount is how often something must occur on one side to be told: once is
// no pattern.
const minCount = 2

// ranked returns the greatest differences of either sign, at most limit. What
// chance alone explains (the difference is within its standard error) is left
// out.
func (c *counter) ranked(limit int) []Difference {
	out := []Difference{}
	n, m := float64(max(c.totals[selected], 1)), float64(max(c.totals[baseline], 1))
	for i, count := range c.counts {
		if max(count[selected], count[baseline]) < minCount && c.totals[selected] > 1 {
			continue
		}
		d := Difference{Scope: c.names[i].scope, Key: c.names[i].key, Value: c.names[i].value, Selection: count[selected], Baseline: count[baseline],
			SelectionShare: float64(count[selected]) / n, BaselineShare: float64(count[baseline]) / m}
		d.Difference = d.SelectionShare - d.BaselineShare
		p := (float64(count[selected]) + float64(count[baseline])) / (n + m)
		if math.Abs(d.Difference) <= math.Sqrt(p*(1-p)*(1/n+1/m)) || d.Difference == 0 {
			continue
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Difference), math.Abs(a.Difference)), cmp.Compare(b.Difference, a.Difference), strings.Compare(a.Scope, b.Scope),
			strings.Compare(a.Key, b.Key), strings.Compare(a.Value, b.Value))
	})
	out = out[:min(len(out), limit)]
	slices.SortStableFunc(out, func(a, b Difference) int { return cmp.Compare(b.Difference, a.Difference) })
	return out
}
