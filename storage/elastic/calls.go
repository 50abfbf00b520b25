package elastic

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/callkeep"
	"github.com/clewhq/clew/storage/elastic/callsums"
	"github.com/clewhq/clew/storage/elastic/search"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// Calls are added up by the hour. What an hour's spans tell is read once it is
// over, and kept (callkeep.go) with the version of the hour and of the look-around
// beside it: it counts as long as Elasticsearch still gives that version. An hour
// that goes on is read each time. Where a range begins or ends within a minute, the traces
// that have spans in that part of it are looked up.

var _ storage.CallReader = (*Store)(nil)

const hourMinutes = int64(time.Hour / time.Minute)

// hourOf numbers the hour of a minute.
func hourOf(minute int64) int64 {
	return (minute - (minute%hourMinutes+hourMinutes)%hourMinutes) / hourMinutes
}

// Calls implements storage.CallReader.
func (s *Store) Calls(ctx context.Context, q storage.CallQuery) (*calls.Totals, error) {
	steps, err := s.CallSteps(ctx, q, 0)
	if err != nil {
		return nil, err
	}
	return steps.Range, nil
}

// CallSteps implements storage.CallReader.
func (s *Store) CallSteps(ctx context.Context, q storage.CallQuery, minutes int64) (*calls.Steps, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if q.Stats == nil {
		q.Stats = &storage.ReadStats{}
	}
	if q.Look == nil {
		q.Look = &storage.CallLook{}
	}
	look, ok := q.Look.Found.(*callLook)
	if !ok {
		look = &callLook{now: s.deps.Now().UnixNano(), pieces: map[[2]int64]*callsums.Part{}, senders: map[int64][]*telemetry.Stream{}}
		q.Look.Found = look
	}
	r := &callRead{s: s, q: q, look: look, around: q.Rules.Reach() + calls.Minute, steps: calls.NewSteps(calls.NewNames(), q.Samples, minutes)}
	defer r.close(ctx)
	if err := r.run(ctx); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("add calls up: %w", err)
	}
	return r.steps, nil
}

// callLook is what the parts of one question have found.
type callLook struct {
	now      int64
	parts    []*callsums.Part // of whole minutes, which do not overlap
	pieces   map[[2]int64]*callsums.Part
	senders  map[int64][]*telemetry.Stream // of minutes that are in no part
	warnings []string
}

// at returns the part that a minute is in, and where the next one begins.
func (l *callLook) at(minute int64) (part *callsums.Part, next int64) {
	next = 1<<63 - 1
	for _, p := range l.parts {
		if minute >= p.First && minute < p.End {
			return p, p.End
		}
		if p.First > minute {
			next = min(next, p.First)
		}
	}
	return nil, next
}

// callRead is a CallQuery under way.
type callRead struct {
	s      *Store
	q      storage.CallQuery
	look   *callLook
	around int64 // how far around a time there are spans that decide
	steps  *calls.Steps

	scan  *scan[telemetry.Span] // has the point in time; nil until something is to be asked
	some  bool                  // there are spans at all
	stats storage.ReadStats
	hours hourVersions
	spans int

	refused bool // it was said that sums cannot be kept
}

func (r *callRead) run(ctx context.Context) error {
	first, end := calls.MinuteOf(r.q.From+calls.Minute-1), calls.MinuteOf(r.q.To)
	pieces := [][2]int64{{r.q.From, r.q.To}}
	if first <= end {
		pieces = [][2]int64{{r.q.From, first * calls.Minute}, {end * calls.Minute, r.q.To}}
	}
	if err := r.find(ctx, first, end); err != nil {
		return err
	}
	for m := first; m < end; {
		p, next := r.look.at(m)
		if p != nil {
			p.AddTo(r.steps, m, end)
		}
		m = next
	}
	for _, p := range pieces {
		if p[0] >= p[1] {
			continue
		}
		part, err := r.piece(ctx, p[0], p[1])
		if err != nil {
			return err
		}
		part.AddTo(r.steps, part.First, part.End)
	}
	return r.addSenders(ctx)
}

// open opens the point in time. It reports false where there is nothing to read.
func (r *callRead) open(ctx context.Context) (bool, error) {
	if r.scan != nil {
		return r.some, nil
	}
	sc := spanScan(r.s, storage.SpanQuery{Tenant: r.q.Tenant, From: max(r.q.From-r.around, 0), To: r.q.To + r.around, Stats: &r.stats})
	var err error
	r.some, err = sc.begin(ctx)
	if err == nil {
		r.scan = sc
	}
	return r.some, err
}

// close gives back what was opened and tells what was missing, also in what an
// earlier part of the question has found.
func (r *callRead) close(ctx context.Context) {
	if r.scan != nil {
		r.scan.end(ctx)
	}
	for _, w := range r.stats.Warnings {
		if !slices.Contains(r.look.warnings, w) {
			r.look.warnings = append(r.look.warnings, w)
		}
	}
	to := r.q.Stats
	to.Warnings = append(to.Warnings, r.look.warnings...)
	to.Rows, to.Bytes, to.Blocks = to.Rows+r.stats.Rows, to.Bytes+r.stats.Bytes, to.Blocks+r.stats.Blocks
}

// stretch is minutes whose spans are to be read, and the hour if it is one that
// is over.
type stretch struct {
	first, end int64
	over       bool
}

// find makes the look have the parts of some minutes.
func (r *callRead) find(ctx context.Context, first, end int64) error {
	var missing []stretch
	for m := first; m < end; {
		p, next := r.look.at(m)
		if p == nil {
			hour := hourOf(m)
			next = min(next, (hour+1)*hourMinutes, end)
			x := stretch{first: m, end: next, over: (hour+1)*hourMinutes*calls.Minute+r.around <= r.look.now}
			if x.over { // all of it, to be kept
				x.first, x.end = hour*hourMinutes, (hour+1)*hourMinutes
			}
			missing = append(missing, x)
		}
		m = next
	}
	if len(missing) == 0 {
		return nil
	}
	if some, err := r.open(ctx); err != nil || !some {
		return err
	}
	if err := r.readVersions(ctx, missing); err != nil {
		return err
	}
	missing, err := r.findKept(ctx, missing)
	if err != nil {
		return err
	}
	return r.readStretches(ctx, missing)
}

// readVersions asks for the versions of the hours of some stretches, and of those
// around them, in the point in time in which they are read.
func (r *callRead) readVersions(ctx context.Context, list []stretch) (err error) {
	first, last := r.hoursAround(list[0].first, list[len(list)-1].end)
	r.hours, err = r.scan.hourVersions(ctx, max(first, 0)*int64(time.Hour), (last+1)*int64(time.Hour))
	return err
}

// hoursAround returns the hours, first and last, whose spans decide what those of
// some minutes tell.
func (r *callRead) hoursAround(first, end int64) (from, to int64) {
	return hourOf(calls.MinuteOf(first*calls.Minute - r.around)), hourOf(calls.MinuteOf(end*calls.Minute + r.around - 1))
}

// key names what is kept of an hour, with its version.
func (r *callRead) key(hour int64) callkeep.Key {
	from, to := r.hoursAround(hour*hourMinutes, (hour+1)*hourMinutes)
	version := ""
	for h := from; h <= to; h++ {
		version += r.hours[h] + ";"
	}
	return callkeep.Key{Tenant: r.q.Tenant, Hour: hour, Around: r.q.Rules.Around, Version: version}
}

// findKept puts into the look what needs no reading: hours without spans, and
// those whose sums are kept. It returns the others.
func (r *callRead) findKept(ctx context.Context, list []stretch) ([]stretch, error) {
	if r.hours == nil {
		return list, nil
	}
	var keys []callkeep.Key
	list = slices.DeleteFunc(list, func(x stretch) bool {
		hour := hourOf(x.first)
		if r.hours[hour] == "" {
			r.look.parts = append(r.look.parts, &callsums.Part{First: x.first, End: x.end})
			return true
		}
		if x.over {
			keys = append(keys, r.key(hour))
		}
		return false
	})
	kept, err := r.s.kept.Get(ctx, keys, r.q.Samples)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(x stretch) bool {
		p := kept[hourOf(x.first)]
		if p == nil || !x.over {
			return false
		}
		r.look.parts = append(r.look.parts, p)
		return true
	}), nil
}

// keep keeps the sums of an hour. Where that fails the hour is read again.
func (r *callRead) keep(ctx context.Context, hour int64, part *callsums.Part) {
	if r.hours == nil {
		return
	}
	if err := r.s.kept.Put(ctx, r.key(hour), part); err != nil && ctx.Err() == nil && !r.refused {
		r.refused = true
		r.s.deps.Logger.Warn("keep sums of calls in elasticsearch; their spans will be read again", "err", err)
	}
}

// readStretches reads the spans of stretches and those that decide around them,
// each once, adds them up and keeps what is of hours that are over.
func (r *callRead) readStretches(ctx context.Context, list []stretch) error {
	rows, have := calls.NewRows(calls.NewNames()), int64(0)
	for _, x := range list {
		from, to := x.first*calls.Minute, x.end*calls.Minute
		rows.List = slices.DeleteFunc(rows.List, func(row calls.Row) bool { return row.Start < from-r.around })
		whole, err := r.read(ctx, storage.SpanQuery{From: max(from-r.around, have, 0), To: to + r.around}, func(batch []telemetry.Span) {
			for i := range batch {
				rows.Add(&batch[i], false)
			}
		})
		if err != nil {
			return err
		}
		have = to + r.around
		steps := calls.NewSteps(rows.Names, r.q.Samples, 1)
		rows.Tell(r.q.Rules, from, to, steps)
		part := callsums.Of(steps, x.first, x.end)
		if x.over {
			part.Fold(exactCalls)
		}
		r.look.parts = append(r.look.parts, part)
		if !whole {
			return nil
		}
		if x.over && len(r.stats.Warnings) == 0 {
			r.keep(ctx, hourOf(x.first), part)
		}
	}
	return nil
}

// exactCalls is up to how many calls of an hour their durations are kept one by
// one, which takes no more room than counts of bins would.
const exactCalls = 1000

// read reads spans in the point in time. It reports false where they are too many.
func (r *callRead) read(ctx context.Context, q storage.SpanQuery, add func([]telemetry.Span)) (bool, error) {
	q.Tenant, q.Columns, q.Stats = r.q.Tenant, storage.ColSpan|storage.ColAttrs|storage.ColRest, &r.stats
	sc := spanScan(r.s, q)
	sc.lookup, sc.disk, sc.pit, sc.page, sc.told = false, true, r.scan.pit, r.s.cfg.PageRows, slices.Clip(r.stats.Warnings)
	defer func() { r.scan.pit = sc.pit }()
	for more := true; more; {
		var rows []telemetry.Span
		var err error
		if rows, more, err = sc.next(ctx); err != nil {
			return false, err
		}
		if r.spans += len(rows); r.q.MaxSpans > 0 && r.spans > r.q.MaxSpans {
			warn(&r.stats, fmt.Sprintf("more than %d spans have to be looked at: ask for a shorter range, or again, since hours that were read are kept", r.q.MaxSpans))
			return false, nil
		}
		add(rows)
	}
	return true, nil
}

// tracesAtOnce is how many traces are looked up with one request.
const tracesAtOnce = 2000

// piece tells of a part of a minute: of the traces with spans in it.
func (r *callRead) piece(ctx context.Context, from, to int64) (*callsums.Part, error) {
	if p := r.look.pieces[[2]int64{from, to}]; p != nil {
		return p, nil
	}
	rows, first, end := calls.NewRows(calls.NewNames()), calls.MinuteOf(from), calls.MinuteOf(to-1)+1
	some, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	if some {
		if err := r.readTraces(ctx, from, to, rows); err != nil {
			return nil, err
		}
	}
	steps := calls.NewSteps(rows.Names, r.q.Samples, 1)
	rows.Tell(r.q.Rules, from, to, steps)
	part := callsums.Of(steps, first, end)
	r.look.pieces[[2]int64{from, to}] = part
	return part, nil
}

// readTraces reads the spans of all traces that have some in a range.
func (r *callRead) readTraces(ctx context.Context, from, to int64, rows *calls.Rows) error {
	seen := map[telemetry.TraceID]bool{}
	if _, err := r.read(ctx, storage.SpanQuery{From: from, To: to}, func(batch []telemetry.Span) {
		for i := range batch {
			seen[batch[i].TraceID] = true
		}
	}); err != nil {
		return err
	}
	ids := make([]telemetry.TraceID, 0, len(seen))
	for id := range seen {
		ids = append(ids, id)
	}
	for list := range slices.Chunk(ids, tracesAtOnce) {
		q := storage.SpanQuery{From: max(from-r.around, 0), To: to + r.around, TraceIDs: list}
		if seen[telemetry.TraceID{}] {
			q.TraceIDs = nil // spans without a trace cannot be looked up
		}
		if _, err := r.read(ctx, q, func(batch []telemetry.Span) {
			for i := range batch {
				rows.Add(&batch[i], false)
			}
		}); err != nil || q.TraceIDs == nil {
			return err
		}
	}
	return nil
}

// addSenders notes who sends spans around the range.
func (r *callRead) addSenders(ctx context.Context) error {
	first, last := r.q.Rules.Neighbours(r.q.From, r.q.To)
	for m := first; m <= last; {
		p, next := r.look.at(m)
		next = min(next, last+1)
		if p != nil {
			p.AddSenders(r.steps, m, next)
		} else if err := r.findSenders(ctx, m, next); err != nil {
			return err
		}
		m = next
	}
	rows := calls.NewRows(r.steps.Range.Names)
	for m := first; m <= last; m++ {
		for _, st := range r.look.senders[m] {
			rows.Add(&telemetry.Span{Stream: st}, false)
		}
	}
	for i := range rows.List {
		r.steps.Range.Senders[rows.List[i].Service] = true
	}
	return nil
}

// maxSenderMinutes bounds the bins of one request.
const maxSenderMinutes = 600

// findSenders asks which streams have spans in some minutes.
func (r *callRead) findSenders(ctx context.Context, first, end int64) error {
	for ; first < end; first++ {
		if _, known := r.look.senders[first]; known {
			continue
		}
		till := first + 1
		for ; till < end && till < first+maxSenderMinutes; till++ {
			if _, known := r.look.senders[till]; known {
				break
			}
		}
		some, err := r.open(ctx)
		if err != nil {
			return err
		}
		for m := first; m < till; m++ {
			r.look.senders[m] = nil
		}
		if some {
			if err := r.askSenders(ctx, first, till); err != nil {
				return err
			}
		}
		first = till - 1
	}
	return nil
}

func (r *callRead) askSenders(ctx context.Context, first, till int64) error {
	from, to := max(first*calls.Minute, 0), till*calls.Minute
	if from >= to {
		return nil
	}
	sc := spanScan(r.s, storage.SpanQuery{Tenant: r.q.Tenant, From: from, To: to, Stats: &r.stats})
	sc.pit, sc.told = r.scan.pit, slices.Clip(r.stats.Warnings)
	err := sc.aggregate(ctx, search.Buckets{Bins: search.BinsOf(from, to, calls.Minute)}, nil, func(st *telemetry.Stream, bin int, _ *fastjson.Value) error {
		m := calls.MinuteOf(from) + int64(bin)
		r.look.senders[m] = append(r.look.senders[m], st)
		return nil
	})
	r.scan.pit = sc.pit
	return err
}
