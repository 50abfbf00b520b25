package correlate

import (
	"context"
	"errors"
	"fmt"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

var (
	errJoinsTooMuch = errors.New("more")
	errFull         = errors.New("too many records")
)

// finding is what one look-up found, before it is known whether to take it.
type finding struct {
	g       *gather
	hop     int
	guarded bool
	reach   reach
	ids     []string
	logs    []telemetry.Log
	spans   []telemetry.Span
	found   []idInfo
	kinds   map[correlation.Kind]int
	traces  map[telemetry.TraceID]bool
}

func (f *finding) read(ctx context.Context) error {
	g := f.g
	spans := storage.SpanQuery{Tenant: g.q.Tenant, From: g.q.From, To: g.q.To, IDs: f.ids, Stats: &g.stats}
	for batch, err := range g.reader.Spans(ctx, spans) {
		if err != nil {
			return fmt.Errorf("read spans: %w", err)
		}
		for i := range batch {
			if err := f.addSpan(&batch[i]); err != nil {
				return err
			}
		}
	}
	logs := storage.LogQuery{Tenant: g.q.Tenant, From: g.q.From, To: g.q.To, IDs: f.ids, Stats: &g.stats}
	for batch, err := range g.reader.Logs(ctx, logs) {
		if err != nil {
			return fmt.Errorf("read logs: %w", err)
		}
		for i := range batch {
			if err := f.addLog(&batch[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *finding) addSpan(s *telemetry.Span) error {
	f.g.scratch = correlation.AppendSpan(f.g.scratch[:0], s)
	if !f.takes() {
		return nil
	}
	if err := f.admit(s.TraceID); err != nil {
		return err
	}
	f.spans = append(f.spans, *s)
	f.note("span", s.Stream)
	return nil
}

func (f *finding) addLog(l *telemetry.Log) error {
	f.g.scratch = correlation.AppendLog(f.g.scratch[:0], l)
	if !f.takes() {
		return nil
	}
	if err := f.admit(l.TraceID); err != nil {
		return err
	}
	f.logs = append(f.logs, *l)
	f.note("log", l.Stream)
	return nil
}

// takes reports whether the record whose IDs are in scratch answers this
// look-up, and none before it.
func (f *finding) takes() bool {
	answers := f.reach == reachAll // the store read nothing else
	for _, id := range f.g.scratch {
		if f.g.taken[id.Value].takes(id) {
			return false
		}
		answers = answers || id.Value == f.ids[0] && f.reach.takes(id)
	}
	return answers
}

// admit holds the bounds.
func (f *finding) admit(t telemetry.TraceID) error {
	g := f.g
	if !t.IsZero() && f.guarded {
		f.traces[t] = true
		if len(f.traces) > g.cfg.MaxTraces {
			return fmt.Errorf("%w than %d traces", errJoinsTooMuch, g.cfg.MaxTraces)
		}
	}
	if len(g.logs)+len(g.spans)+len(f.logs)+len(f.spans) >= g.cfg.MaxRecords {
		if f.guarded {
			return fmt.Errorf("%w than %d records", errJoinsTooMuch, g.cfg.MaxRecords)
		}
		return fmt.Errorf("%w: more than %d carry the ID", errFull, g.cfg.MaxRecords)
	}
	return nil
}

// note remembers the IDs in scratch that the story tells of. Span IDs stand in
// the timeline; tokens are no IDs before somebody asks for them.
func (f *finding) note(what string, s *telemetry.Stream) {
	g := f.g
	for _, id := range g.scratch {
		if id.Value == g.id {
			f.kinds[id.Kind]++
			continue
		}
		if id.Kind == correlation.Token || id.Kind == correlation.SpanID || g.ids[id.Value] != nil {
			continue
		}
		if len(f.found) > 0 && f.found[len(f.found)-1].Value == id.Value {
			continue // the next span of the same trace
		}
		service := telemetry.UnknownService
		if s != nil {
			service = s.Service
		}
		f.found = append(f.found, idInfo{ID: id, via: what + " of " + service + ", " + id.Source, depth: f.hop + 1})
	}
}

// commit takes what was found.
func (f *finding) commit() {
	g := f.g
	g.logs = append(g.logs, f.logs...)
	g.spans = append(g.spans, f.spans...)
	for k, n := range f.kinds {
		g.kinds[k] += n
	}
	for i := range f.found {
		id := &f.found[i]
		if g.ids[id.Value] == nil {
			g.ids[id.Value] = id
			g.order = append(g.order, id)
		}
	}
}
