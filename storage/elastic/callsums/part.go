package callsums

import (
	"cmp"
	"maps"
	"slices"

	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// Part is what the spans that started in some minutes, First <= m < End, tell of
// calls. Nobody changes it once others may read it.
type Part struct {
	First, End int64
	// Samples is how many traces are kept of each sum.
	Samples int
	Names   []Name
	Minutes []Minute // that have spans, in order
}

// Name is a node or a protocol.
type Name struct{ ID, Type, Space string }

// Minute is what the spans of a minute tell.
type Minute struct {
	At      int64
	Present []int32 // services that have spans
	Sums    []sum
}

// sum is the calls of one key. Durations are known one by one, or by bins of
// calls.Durations.
type sum struct {
	What           kind
	A, B, C, D     int32
	Calls, Errors  int64
	Weight         float64
	Exact          []int64
	Bins           []uint16
	Counts         []int64 // of each bin
	Traces         []byte  // IDs of the samples
	Failed         []bool
	SampleDuration []int64
}

// kind is what a sum is of.
type kind uint8

const (
	entryOf kind = iota
	callTo
	servedCallTo
	oddOf
)

// Of takes what spans told by the minute for a part.
func Of(steps *calls.Steps, first, end int64) *Part {
	p := &Part{First: first, End: end, Samples: steps.Range.Samples}
	names := steps.Range.Names
	for i := range int32(names.Len()) {
		n := names.Node(i)
		p.Names = append(p.Names, Name{n.ID, n.Type, names.Space(i)})
	}
	for _, at := range slices.Sorted(maps.Keys(steps.Of)) {
		t := steps.Of[at]
		m := Minute{At: at, Present: slices.Sorted(maps.Keys(t.Present))}
		for service, of := range t.Entries {
			m.Sums = append(m.Sums, sumOf(of, sum{What: entryOf, A: service}))
		}
		for k, of := range t.Calls {
			what := callTo
			if k.Served {
				what = servedCallTo
			}
			m.Sums = append(m.Sums, sumOf(of, sum{What: what, A: k.Source, B: k.Target, C: k.Protocol, D: k.Caller}))
		}
		for k, of := range t.Odds {
			m.Sums = append(m.Sums, sumOf(of, sum{What: oddOf, A: k.Service, B: k.Target, C: int32(k.Reason)}))
		}
		slices.SortFunc(m.Sums, func(a, b sum) int {
			return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B), cmp.Compare(a.C, b.C), cmp.Compare(a.D, b.D))
		})
		p.Minutes = append(p.Minutes, m)
	}
	return p
}

// sumOf fills a sum, whose key is set.
func sumOf(t *calls.Tally, s sum) sum {
	s.Calls, s.Errors, s.Weight = t.Calls, t.Errors, t.Weight
	t.Durations.Each(func(dur, n int64) {
		for range n {
			s.Exact = append(s.Exact, dur)
		}
	})
	for _, x := range t.Samples {
		s.Traces, s.Failed, s.SampleDuration = append(s.Traces, x.Trace[:]...), append(s.Failed, x.Failed), append(s.SampleDuration, x.Dur)
	}
	return s
}

// Fold counts durations by bins, unless there are few.
func (p *Part) Fold(few int) {
	n := 0
	for i := range p.Minutes {
		for j := range p.Minutes[i].Sums {
			n += len(p.Minutes[i].Sums[j].Exact)
		}
	}
	if n <= few {
		return
	}
	for i := range p.Minutes {
		for j := range p.Minutes[i].Sums {
			p.Minutes[i].Sums[j].fold()
		}
	}
}

func (s *sum) fold() {
	slices.Sort(s.Exact)
	for _, dur := range s.Exact {
		bin := uint16(calls.BinOf(dur))
		if n := len(s.Bins); n == 0 || s.Bins[n-1] != bin {
			s.Bins, s.Counts = append(s.Bins, bin), append(s.Counts, 0)
		}
		s.Counts[len(s.Counts)-1]++
	}
	s.Exact, s.Bins, s.Counts = nil, slices.Clip(s.Bins), slices.Clip(s.Counts)
}

// Bytes is about what a part takes in memory.
func (p *Part) Bytes() int64 {
	const name, minute, one = 64, 64, 208
	n := int64(len(p.Names)) * name
	for i := range p.Minutes {
		m := &p.Minutes[i]
		n += minute + int64(4*len(m.Present))
		for j := range m.Sums {
			s := &m.Sums[j]
			n += one + int64(8*len(s.Exact)+10*len(s.Bins)+len(s.Traces)+9*len(s.Failed))
		}
	}
	return n
}

// between returns the minutes from..to-1.
func (p *Part) between(from, to int64) []Minute {
	at := func(m int64) int {
		i, _ := slices.BinarySearchFunc(p.Minutes, m, func(a Minute, b int64) int { return cmp.Compare(a.At, b) })
		return i
	}
	from, to = max(from, p.First), min(to, p.End)
	if from >= to {
		return nil
	}
	return p.Minutes[at(from):at(to)]
}

// AddTo adds the minutes from..to-1 of the part.
func (p *Part) AddTo(t *calls.Steps, from, to int64) {
	a := p.adding(t)
	for _, m := range p.between(from, to) {
		step := t.At(m.At)
		for _, service := range m.Present {
			step.Present[a.number(service)] = true
		}
		for i := range m.Sums {
			m.Sums[i].addTo(a.of(step, &m.Sums[i]), t.Range.Samples)
		}
	}
}

// AddSenders notes the services that have spans in the minutes from..to-1.
func (p *Part) AddSenders(t *calls.Steps, from, to int64) {
	a := p.adding(t)
	for _, m := range p.between(from, to) {
		for _, service := range m.Present {
			t.Range.Senders[a.number(service)] = true
		}
	}
}

// adding numbers a part's names as others do.
type adding struct {
	p       *Part
	names   *calls.Names
	numbers []int32 // -1 for those not asked for yet
}

func (p *Part) adding(t *calls.Steps) *adding {
	return &adding{p, t.Range.Names, slices.Repeat([]int32{-1}, len(p.Names))}
}

func (a *adding) number(i int32) int32 {
	if i < 0 {
		return i
	}
	if a.numbers[i] < 0 {
		n := a.p.Names[i]
		at := a.names.Intern(calls.Node{ID: n.ID, Type: n.Type})
		if n.Space != "" && a.names.Space(at) == "" {
			a.names.SetSpace(at, n.Space)
		}
		a.numbers[i] = at
	}
	return a.numbers[i]
}

// of is the tally of totals that a sum is added to.
func (a *adding) of(t *calls.Totals, s *sum) *calls.Tally {
	switch s.What {
	case entryOf:
		return calls.TallyOf(t.Entries, a.number(s.A))
	case oddOf:
		return calls.TallyOf(t.Odds, calls.OddKey{Service: a.number(s.A), Target: a.number(s.B), Reason: calls.Reason(s.C)})
	}
	return calls.TallyOf(t.Calls, calls.Key{Source: a.number(s.A), Target: a.number(s.B), Protocol: a.number(s.C), Caller: a.number(s.D), Served: s.What == servedCallTo})
}

func (s *sum) addTo(t *calls.Tally, samples int) {
	t.Calls, t.Errors, t.Weight = t.Calls+s.Calls, t.Errors+s.Errors, t.Weight+s.Weight
	for _, dur := range s.Exact {
		t.Durations.Add(dur)
	}
	for i, bin := range s.Bins {
		t.Durations.AddBin(int(bin), s.Counts[i])
	}
	for i, failed := range s.Failed {
		x := calls.Sample{Failed: failed, Dur: s.SampleDuration[i]}
		copy(x.Trace[:], s.Traces[i*len(telemetry.TraceID{}):])
		t.Samples = calls.Keep(t.Samples, x, samples)
	}
}
