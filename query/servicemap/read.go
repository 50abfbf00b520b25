package servicemap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry/calls"
)

// The types of nodes.
const (
	TypeService  = calls.TypeService
	TypeDatabase = calls.TypeDatabase
	TypeQueue    = calls.TypeQueue
	TypeExternal = calls.TypeExternal
	TypeUser     = calls.TypeUser
)

// Query selects the spans of a map.
type Query struct {
	Tenant   string
	From, To int64 // Unix nanoseconds, From <= Start < To
	// BeforeFrom and BeforeTo are the range that the map is compared with,
	// none where BeforeTo is zero.
	BeforeFrom, BeforeTo int64

	look *storage.CallLook // of the map that it is a part of
}

// Rules are those by which spans are paired. A store that adds calls up by the
// same ones need not read the spans for a map.
func (c Config) Rules() calls.Rules { return calls.Rules{Around: time.Duration(c.Lookaround)} }

// totals returns what q's spans tell of calls: from the store where it adds
// calls up itself, else from the spans.
func (e *Engine) totals(ctx context.Context, q Query) (*calls.Totals, []string, error) {
	if adder, ok := e.reader.(storage.CallReader); ok {
		var stats storage.ReadStats
		t, err := adder.Calls(ctx, storage.CallQuery{Tenant: q.Tenant, From: q.From, To: q.To, Rules: e.cfg.Rules(),
			Samples: e.cfg.SampleTraces, MaxSpans: e.cfg.MaxSpans, Stats: &stats, Look: q.look})
		if err != nil {
			return nil, nil, fmt.Errorf("add calls up: %w", err)
		}
		return t, stats.Warnings, nil
	}
	rows, warnings, err := e.read(ctx, q, false)
	if err != nil {
		return nil, nil, err
	}
	t := calls.NewTotals(rows.Names, e.cfg.SampleTraces)
	t.Sum(rows, e.cfg.Rules(), q.From, q.To)
	return t, warnings, nil
}

// read returns the rows of q's spans and of those around them. withNames keeps
// the spans' names too.
func (e *Engine) read(ctx context.Context, q Query, withNames bool) (*calls.Rows, []string, error) {
	rows := calls.NewRows(calls.NewNames())
	var warnings []string
	around := e.cfg.Rules().Reach() + calls.Minute
	var stats storage.ReadStats
	sq := storage.SpanQuery{Tenant: q.Tenant, From: max(q.From-around, 0), To: q.To + around, Columns: storage.ColSpan | storage.ColAttrs | storage.ColRest, Stats: &stats}
	for batch, err := range e.reader.Spans(ctx, sq) {
		if errors.Is(err, storage.ErrBudget) {
			warnings = append(warnings, err.Error())
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read spans: %w", err)
		}
		if len(rows.List)+len(batch) > e.cfg.MaxSpans {
			warnings = append(warnings, fmt.Sprintf("more than %d spans in the range: ask for a shorter one", e.cfg.MaxSpans))
			break
		}
		for i := range batch {
			rows.Add(&batch[i], withNames)
		}
	}
	return rows, append(warnings, stats.Warnings...), nil
}
