package callsum

import (
	"maps"
	"slices"

	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// How many traces are kept of every sum of a step, and of an hour.
const (
	stepSamples = 2
	hourSamples = 5
)

// minutesOfHour is the number of minutes that are kept together.
const minutesOfHour = 60

// hourOf returns the hour of a minute.
func hourOf(minute int64) int64 {
	h := minute / minutesOfHour
	if minute < 0 && minute%minutesOfHour != 0 {
		h--
	}
	return h
}

// tally is the calls of one key in one step.
type tally struct {
	calls, errors int64
	weight        float64
	bins          []uint16
	samples       []calls.Sample
}

// step is what spans that started in it tell: a minute, or some in a row.
type step struct {
	present map[int64]map[int32]bool // the services of each minute
	spans   int
	tallies map[key]*tally
}

func newStep() *step {
	return &step{present: map[int64]map[int32]bool{}, tallies: map[key]*tally{}}
}

// key is what is added up by: an entry of a service a; a call from a to b over
// protocol c by a caller d, served or not; or spans of service a without their other half b
// for reason c.
type key struct {
	what       byte
	a, b, c, d int32
}

// What is added up.
const (
	sumEntry byte = iota
	sumCall
	sumServed
	sumOdd
	sumKinds
)

// trace is an entry of the list of traces.
type trace struct {
	hash        uint32
	block       uint32
	first, last int64 // starts of its spans
}

// Builder adds up the spans of a part of a segment, in which those of a trace
// stand together.
type Builder struct {
	rules  calls.Rules
	rows   *calls.Rows
	pairer *calls.Pairer
	names  *calls.Names
	steps  map[int64]*step // by their minute
	traces []trace
	block  int // of the trace's first span
	seen   map[telemetry.TraceID]struct{}
}

// NewBuilder returns a builder that pairs spans by rules.
func NewBuilder(rules calls.Rules) *Builder {
	names := calls.NewNames()
	return &Builder{rules: rules, names: names, rows: calls.NewRows(names), pairer: calls.NewPairer(names, rules), steps: map[int64]*step{}, seen: map[telemetry.TraceID]struct{}{}}
}

// Repeats reports whether s is of a trace that was added before, and then
// another one: it may not be added.
func (b *Builder) Repeats(s *telemetry.Span) bool {
	if n := len(b.rows.List); n > 0 && b.rows.List[n-1].Trace == s.TraceID {
		return false
	}
	_, ok := b.seen[s.TraceID]
	return ok
}

// Add takes the next span, which stands in a block of the segment.
func (b *Builder) Add(s *telemetry.Span, block int) {
	if n := len(b.rows.List); n > 0 && b.rows.List[n-1].Trace != s.TraceID {
		b.endTrace()
	}
	if len(b.rows.List) == 0 {
		b.block = block
		b.seen[s.TraceID] = struct{}{}
	}
	b.rows.Add(s, false)
}

func everything(int64) bool { return true }

// endTrace adds up the spans of a trace.
func (b *Builder) endTrace() {
	b.rows.Sort()
	list := b.rows.List
	t := trace{calls.TraceHash(list[0].Trace), uint32(b.block), list[0].Start, list[len(list)-1].Start}
	b.traces = append(b.traces, t)
	b.pairer.Trace(list, everything, b)
	b.rows.List = list[:0]
}

func (b *Builder) step(start int64) *step {
	n := calls.MinuteOf(start)
	s := b.steps[n]
	if s == nil {
		s = newStep()
		s.present[n] = map[int32]bool{}
		b.steps[n] = s
	}
	return s
}

func (s *step) tally(k key) *tally {
	t := s.tallies[k]
	if t == nil {
		t = &tally{}
		s.tallies[k] = t
	}
	return t
}

func (t *tally) count(failed bool, weight float32) {
	t.calls++
	t.weight += float64(weight)
	if failed {
		t.errors++
	}
}

// Span implements calls.Visitor.
func (b *Builder) Span(r *calls.Row) {
	s := b.step(r.Start)
	s.spans++
	s.present[calls.MinuteOf(r.Start)][r.Service] = true
}

// Entry implements calls.Visitor.
func (b *Builder) Entry(r *calls.Row, told bool) {
	t := b.step(r.Start).tally(key{what: sumEntry, a: r.Service})
	t.count(r.Failed(), r.Weight)
	if !told {
		t.bins = append(t.bins, uint16(calls.BinOf(r.Dur)))
	}
}

// Call implements calls.Visitor.
func (b *Builder) Call(c *calls.Call) {
	k := calls.KeyOf(c)
	what := sumCall
	if k.Served {
		what = sumServed
	}
	t := b.step(c.Of.Start).tally(key{what, k.Source, k.Target, k.Protocol, k.Caller})
	t.count(c.Failed, c.Of.Weight)
	t.bins = append(t.bins, uint16(calls.BinOf(c.Of.Dur)))
	t.samples = calls.Keep(t.samples, calls.Sample{Trace: c.Of.Trace, Failed: c.Failed, Dur: c.Of.Dur}, stepSamples)
}

// Odd implements calls.Visitor.
func (b *Builder) Odd(r *calls.Row, reason calls.Reason) {
	k := calls.OddKeyOf(r, reason)
	t := b.step(r.Start).tally(key{what: sumOdd, a: k.Service, b: k.Target, c: int32(reason)})
	t.calls++
	t.weight++
	t.samples = calls.Keep(t.samples, calls.Sample{Trace: r.Trace, Failed: r.Failed(), Dur: r.Dur}, stepSamples)
}

// merge adds o, whose minutes are others.
func (s *step) merge(o *step) {
	maps.Copy(s.present, o.present)
	s.spans += o.spans
	for k, t := range o.tallies {
		s.tally(k).merge(t, stepSamples)
	}
}

func (t *tally) merge(o *tally, samples int) {
	t.calls, t.errors, t.weight = t.calls+o.calls, t.errors+o.errors, t.weight+o.weight
	t.bins = append(t.bins, o.bins...)
	for _, s := range o.samples {
		t.samples = calls.Keep(t.samples, s, samples)
	}
}

// stepSpans is how many spans a step should have: with fewer, what is kept of
// their durations would be as long as the durations. Spans of a part of a step
// have to be read where a range ends in it, so it should not have many more.
const stepSpans = 8192

// widths are the minutes that a step may have.
var widths = []int64{1, 2, 5, 10, 15, 30, 60}

// widen makes steps of enough minutes out of the minutes, and returns how many
// minutes each has.
func (b *Builder) widen() int64 {
	spans := 0
	for _, s := range b.steps {
		spans += s.spans
	}
	width := widths[0]
	for _, width = range widths {
		if int64(spans)*width >= stepSpans*int64(len(b.steps)) {
			break
		}
	}
	if width == widths[0] {
		return width
	}
	wide := map[int64]*step{}
	for _, n := range slices.Sorted(maps.Keys(b.steps)) {
		first := n - ((n%width)+width)%width
		if wide[first] == nil {
			wide[first] = newStep()
		}
		wide[first].merge(b.steps[n])
		delete(b.steps, n)
	}
	b.steps = wide
	return width
}
