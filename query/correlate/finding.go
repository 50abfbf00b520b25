package correlate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
	// counted says that the ID may be one of a counter that every process has
	// for itself: see admitCounted.
	counted bool
	// within, where set, is the only service whose records are taken.
	within string
	reach  reach
	ids    []string
	logs   []telemetry.Log
	spans  []telemetry.Span
	found  map[string]*idInfo
	kinds  map[correlation.Kind]int
	traces map[telemetry.TraceID]bool
}

func (f *finding) read(ctx context.Context) (err error) {
	g := f.g
	from, to := g.q.From, g.q.To
	if f.counted {
		from, to = g.around(time.Duration(g.cfg.Nearby))
	}
	ahead := readAhead(ctx, g.reader, storage.LogQuery{Tenant: g.q.Tenant, From: from, To: to, IDs: f.ids})
	defer func() {
		if warnings := ahead.stop(); err == nil || errors.Is(err, errFull) {
			g.stats.Warnings = append(g.stats.Warnings, warnings...)
		}
	}()
	// A story of spans or of logs alone is better than none.
	noSpans, err := f.readSpans(ctx, storage.SpanQuery{Tenant: g.q.Tenant, From: from, To: to, IDs: f.ids, Stats: &g.stats})
	if err != nil {
		return err
	}
	noLogs, err := f.readLogs(ahead)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if noSpans != nil && noLogs != nil {
		return errors.Join(noSpans, noLogs)
	}
	for what, why := range map[string]error{"spans": noSpans, "logs": noLogs} {
		if why != nil {
			g.stats.Warnings = append(g.stats.Warnings, what+" are missing: "+why.Error())
		}
	}
	return nil
}

// readSpans takes spans; failed is why the store gave no more of them.
func (f *finding) readSpans(ctx context.Context, q storage.SpanQuery) (failed, err error) {
	for batch, err := range f.g.reader.Spans(ctx, q) {
		if errors.Is(err, storage.ErrBudget) {
			return nil, err
		}
		if err != nil {
			return fmt.Errorf("read spans: %w", err), nil
		}
		for i := range batch {
			if err := f.addSpan(&batch[i]); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// readLogs takes logs; failed is why the store gave no more of them.
func (f *finding) readLogs(ahead *logsAhead) (failed, err error) {
	for batch := range ahead.batches {
		if errors.Is(batch.err, storage.ErrBudget) {
			return nil, batch.err
		}
		if batch.err != nil {
			return fmt.Errorf("read logs: %w", batch.err), nil
		}
		for i := range batch.logs {
			if err := f.addLog(&batch.logs[i]); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

func (f *finding) addSpan(s *telemetry.Span) error {
	f.g.scratch = correlation.AppendSpan(f.g.scratch[:0], s)
	if err := f.admitCounted(s.TraceID); err != nil || !f.isWithin(s.Stream) || !f.takes() {
		return err
	}
	if err := f.admit(s.TraceID); err != nil {
		return err
	}
	f.spans = append(f.spans, *s)
	f.note("span", s.Stream, s.Start)
	return nil
}

func (f *finding) addLog(l *telemetry.Log) error {
	f.g.scratch = correlation.AppendLog(f.g.scratch[:0], l)
	if err := f.admitCounted(l.TraceID); err != nil || !f.isWithin(l.Stream) || !f.takes() {
		return err
	}
	if err := f.admit(l.TraceID); err != nil {
		return err
	}
	f.logs = append(f.logs, *l)
	f.note("log", l.Stream, l.Time)
	return nil
}

// takes reports whether the record whose IDs are in scratch answers this
// look-up, and none before it.
func (f *finding) takes() bool {
	answers := f.reach == reachAll // the store read nothing else
	for _, id := range f.g.scratch {
		if f.g.takes(f.g.taken[id.Value], id) {
			return false
		}
		answers = answers || id.Value == f.ids[0] && f.g.takes(f.reach, id)
	}
	return answers
}

// admit holds the bounds.
func (f *finding) admit(t telemetry.TraceID) error {
	g := f.g
	if !t.IsZero() && f.guarded && !f.counted {
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

func (f *finding) isWithin(s *telemetry.Stream) bool { return f.within == "" || service(s) == f.within }

// admitCounted refuses an ID that a counter may have made as soon as records of
// two traces carry it, those of the story itself included: then it is one.
func (f *finding) admitCounted(t telemetry.TraceID) error {
	if !f.counted || t.IsZero() {
		return nil
	}
	half := telemetry.TraceID{} // by which Datadog's and OpenTelemetry's are the same
	copy(half[len(half)/2:], t[len(t)/2:])
	if f.traces[half] = true; len(f.traces) > 1 {
		return fmt.Errorf("%w than one trace, as short as it is", errJoinsTooMuch)
	}
	return nil
}

// note remembers the IDs in scratch that the story tells of. Span IDs stand in
// the timeline; tokens are no IDs before somebody asks for them; the halves and
// decimals of trace IDs are other spellings.
func (f *finding) note(what string, s *telemetry.Stream, time int64) {
	g := f.g
	for i, id := range g.scratch {
		if id.Value == g.id || f.hop == 0 && slices.Contains(f.ids, id.Value) {
			f.kinds[id.Kind]++
			continue
		}
		if id.Kind == correlation.Token || id.Kind == correlation.SpanID || id.Kind == correlation.Change || g.ids[id.Value] != nil || isSpelling(id) || g.others[id.Value] {
			continue
		}
		at := place{time, what, service(s), i}
		if have := f.found[id.Value]; have != nil && have.at.compare(at) <= 0 {
			continue
		}
		f.found[id.Value] = &idInfo{ID: id, via: what + " of " + at.service + ", " + id.Source, depth: f.hop + 1, at: at}
	}
}

// isSpelling reports whether id is a trace ID in a form that stands beside its
// whole one.
func isSpelling(id correlation.ID) bool {
	if id.Kind != correlation.TraceID {
		return false
	}
	t, _, ok := correlation.ParseContext(id.Value)
	return ok && t.String() != id.Value
}

// place is where an ID was found. Of several the first counts, in an order that
// does not depend on how the records lie in the store.
type place struct {
	time    int64
	what    string
	service string
	nth     int // of the record's IDs
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.time, o.time), -strings.Compare(p.what, o.what), strings.Compare(p.service, o.service), cmp.Compare(p.nth, o.nth))
}

// commit takes what was found.
func (f *finding) commit() {
	g := f.g
	g.logs = append(g.logs, f.logs...)
	g.spans = append(g.spans, f.spans...)
	for k, n := range f.kinds {
		g.kinds[k] += n
	}
	found := make([]*idInfo, 0, len(f.found))
	for _, id := range f.found {
		found = append(found, id)
	}
	slices.SortFunc(found, func(a, b *idInfo) int { return cmp.Or(a.at.compare(b.at), strings.Compare(a.Value, b.Value)) })
	for _, id := range found {
		if g.ids[id.Value] == nil {
			g.ids[id.Value] = id
			g.order = append(g.order, id)
		}
	}
}
