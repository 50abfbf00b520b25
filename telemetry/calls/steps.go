package calls

// Steps are totals of a range step by step: a call counts in the step in which
// its span started. It is a Visitor. All have the same names, and the senders of
// the range stand in Range, which has nothing else where there are steps.
type Steps struct {
	// Minutes is how many a step has, a part of an hour; 0 where all of the range
	// is one, which is Range then.
	Minutes int64
	Range   *Totals
	// Of are the steps that have something, by their first minute.
	Of map[int64]*Totals
}

// NewSteps returns steps of nothing.
func NewSteps(names *Names, samples int, minutes int64) *Steps {
	return &Steps{Minutes: minutes, Range: NewTotals(names, samples), Of: map[int64]*Totals{}}
}

// First returns the first minute of the step that a minute is in.
func (s *Steps) First(minute int64) int64 {
	if s.Minutes == 0 {
		return 0
	}
	return minute - (minute%s.Minutes+s.Minutes)%s.Minutes
}

// At returns the totals of the step that a minute is in.
func (s *Steps) At(minute int64) *Totals {
	if s.Minutes == 0 {
		return s.Range
	}
	first := s.First(minute)
	t := s.Of[first]
	if t == nil {
		t = NewTotals(s.Range.Names, s.Range.Samples)
		s.Of[first] = t
	}
	return t
}

// Nests reports whether every sum of so many minutes is of one step.
func (s *Steps) Nests(minutes int64) bool { return s.Minutes == 0 || s.Minutes%minutes == 0 }

// Sum adds up what the rows of a range mean, and who sends spans around it.
func (s *Steps) Sum(rows *Rows, rules Rules, from, to int64) {
	s.Range.Send(rows, rules, from, to)
	rows.Tell(rules, from, to, s)
}

// Tidy removes what came to nothing.
func (s *Steps) Tidy() {
	s.Range.Tidy()
	for _, t := range s.Of {
		t.Tidy()
	}
}

func (s *Steps) of(r *Row) *Totals { return s.At(MinuteOf(r.Start)) }

// Span implements Visitor.
func (s *Steps) Span(r *Row) { s.of(r).Span(r) }

// Entry implements Visitor.
func (s *Steps) Entry(r *Row, told bool) { s.of(r).Entry(r, told) }

// Call implements Visitor.
func (s *Steps) Call(c *Call) { s.of(c.Of).Call(c) }

// Odd implements Visitor.
func (s *Steps) Odd(r *Row, reason Reason) { s.of(r).Odd(r, reason) }

// Less takes what it is told out of steps that have it, but no samples: those
// are left out when they are read.
type Less struct{ From *Steps }

func (t *Tally) uncount(failed bool, weight float32) {
	t.Calls--
	t.Weight -= float64(weight)
	if failed {
		t.Errors--
	}
}

// Span implements Visitor.
func (l Less) Span(*Row) {}

// Entry implements Visitor.
func (l Less) Entry(r *Row, told bool) {
	e := TallyOf(l.From.of(r).Entries, r.Service)
	e.uncount(r.Failed(), r.Weight)
	if !told {
		e.Durations.AddBin(BinOf(r.Dur), -1)
	}
}

// Call implements Visitor.
func (l Less) Call(c *Call) {
	e := TallyOf(l.From.of(c.Of).Calls, KeyOf(c))
	e.uncount(c.Failed, c.Of.Weight)
	e.Durations.AddBin(BinOf(c.Of.Dur), -1)
}

// Odd implements Visitor.
func (l Less) Odd(r *Row, reason Reason) { TallyOf(l.From.of(r).Odds, OddKeyOf(r, reason)).Calls-- }
