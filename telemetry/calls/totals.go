package calls

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/clewhq/clew/telemetry"
)

// Sample is a trace worth looking at.
type Sample struct {
	Trace  telemetry.TraceID
	Failed bool
	Dur    int64
}

// Compare puts the failed first, then the slowest; the order in which they came
// makes no difference.
func (a Sample) Compare(b Sample) int {
	if a.Failed != b.Failed {
		if a.Failed {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.Dur, a.Dur), bytes.Compare(a.Trace[:], b.Trace[:]))
}

// Keep adds s to samples, which has the n best ones, one a trace, in order.
func Keep(samples []Sample, s Sample, n int) []Sample {
	if n > 0 && len(samples) >= n && s.Compare(samples[n-1]) >= 0 {
		return samples
	}
	for i := range samples {
		if samples[i].Trace == s.Trace {
			if s.Compare(samples[i]) < 0 {
				samples[i] = s
				slices.SortFunc(samples, Sample.Compare)
			}
			return samples
		}
	}
	at, _ := slices.BinarySearchFunc(samples, s, Sample.Compare)
	if at >= n {
		return samples
	}
	samples = slices.Insert(samples, at, s)
	return samples[:min(n, len(samples))]
}

// Tally is the calls of a node or an edge.
type Tally struct {
	Calls, Errors int64
	Weight        float64 // how many calls they stand for
	Durations     Durations
	Samples       []Sample
}

// Count counts a call.
func (t *Tally) Count(failed bool, weight float32) {
	t.Calls++
	t.Weight += float64(weight)
	if failed {
		t.Errors++
	}
}

// Merge adds what o counted.
func (t *Tally) Merge(o *Tally, samples int) {
	t.Calls += o.Calls
	t.Errors += o.Errors
	t.Weight += o.Weight
	t.Durations.Merge(&o.Durations)
	for _, s := range o.Samples {
		t.Samples = Keep(t.Samples, s, samples)
	}
}

// Key is what calls are added up by.
type Key struct {
	Source, Target, Protocol int32
	// Caller is the service whose span is the parent of the target's; -1 where
	// the call is not direct. It is not the source where a queue is between.
	Caller int32
	// Served is set where the spans are entries of the target: their durations
	// are those of its work, too.
	Served bool
}

// OddKey is what spans without their other half are added up by; Target is
// whom they called, -1 where that is not known.
type OddKey struct {
	Service, Target int32
	Reason          Reason
}

// Totals is what spans tell, added up. It is a Visitor.
type Totals struct {
	Names *Names
	// Samples is how many traces are kept of each sum.
	Samples int
	// Present are the services that have spans in the range, Senders those that
	// have some in the minutes around it.
	Present, Senders map[int32]bool
	// Entries have the durations of those alone that no call has with Served.
	Entries map[int32]*Tally
	Calls   map[Key]*Tally
	Odds    map[OddKey]*Tally
}

// NewTotals returns totals of nothing.
func NewTotals(names *Names, samples int) *Totals {
	return &Totals{Names: names, Samples: samples, Present: map[int32]bool{}, Senders: map[int32]bool{},
		Entries: map[int32]*Tally{}, Calls: map[Key]*Tally{}, Odds: map[OddKey]*Tally{}}
}

// TallyOf returns the tally of a key, a new one where there is none.
func TallyOf[K comparable](m map[K]*Tally, k K) *Tally {
	t := m[k]
	if t == nil {
		t = &Tally{}
		m[k] = t
	}
	return t
}

// KeyOf returns what c is added up by.
func KeyOf(c *Call) Key {
	k := Key{c.Source, c.Target, c.Protocol, -1, c.Served}
	if c.Direct {
		k.Caller = c.Caller.Service
	}
	return k
}

// OddKeyOf returns what r is added up by.
func OddKeyOf(r *Row, reason Reason) OddKey {
	k := OddKey{r.Service, -1, reason}
	if reason == NotAnswered {
		k.Target = r.Peer
	}
	return k
}

// Span implements Visitor.
func (t *Totals) Span(r *Row) { t.Present[r.Service] = true }

// Entry implements Visitor.
func (t *Totals) Entry(r *Row, told bool) {
	e := TallyOf(t.Entries, r.Service)
	e.Count(r.Failed(), r.Weight)
	if !told {
		e.Durations.Add(r.Dur)
	}
}

// Call implements Visitor.
func (t *Totals) Call(c *Call) {
	e := TallyOf(t.Calls, KeyOf(c))
	e.Count(c.Failed, c.Of.Weight)
	e.Durations.Add(c.Of.Dur)
	e.Samples = Keep(e.Samples, Sample{c.Of.Trace, c.Failed, c.Of.Dur}, t.Samples)
}

// Odd implements Visitor.
func (t *Totals) Odd(r *Row, reason Reason) {
	o := TallyOf(t.Odds, OddKeyOf(r, reason))
	o.Calls++
	o.Samples = Keep(o.Samples, Sample{r.Trace, r.Failed(), r.Dur}, t.Samples)
}

// Minute is the width of the steps in which sums are kept, in nanoseconds.
const Minute = int64(60e9)

// MinuteOf returns the number of the minute that a time is in.
func MinuteOf(t int64) int64 {
	m := t / Minute
	if t < 0 && t%Minute != 0 {
		m--
	}
	return m
}

// Neighbours returns the minutes, first and last, in which a service has to have
// spans to count as one that sends some when it is asked for from..to.
func (r Rules) Neighbours(from, to int64) (first, last int64) {
	return MinuteOf(from - int64(r.Around)), MinuteOf(to - 1 + int64(r.Around))
}

// Sum adds up what the rows of a range mean, and who sends spans around it.
func (t *Totals) Sum(rows *Rows, rules Rules, from, to int64) {
	t.Send(rows, rules, from, to)
	rows.Tell(rules, from, to, t)
}

// Send notes the services of rows around a range.
func (t *Totals) Send(rows *Rows, rules Rules, from, to int64) {
	first, last := rules.Neighbours(from, to)
	for i := range rows.List {
		if m := MinuteOf(rows.List[i].Start); m >= first && m <= last {
			t.Senders[rows.List[i].Service] = true
		}
	}
}

// Tidy removes what came to nothing.
func (t *Totals) Tidy() {
	tidy(t.Entries)
	tidy(t.Calls)
	tidy(t.Odds)
}

func tidy[K comparable](m map[K]*Tally) {
	for k, t := range m {
		if t.Calls == 0 {
			delete(m, k)
		}
	}
}
