package syntax

import "github.com/clewhq/clew/internal/breadth"

// Broad says why a log query may select far more than was meant, "" where it
// does not: one of its values is empty, as a variable leaves it that was not
// set, or nothing in it asks for a value.
func (e *LogExpr) Broad() string {
	b := conditions{}
	for _, m := range e.Matchers {
		b.matcher(m)
	}
	for _, s := range e.Stages {
		switch s := s.(type) {
		case *LineFilter:
			b.line(s)
		case *LabelFilterStage:
			b.labels(s.Filter)
		}
	}
	return b.Broad()
}

// conditions walks the conditions of a query.
type conditions struct{ breadth.Breadth }

func (b *conditions) matcher(m *Matcher) {
	if m.Op == MatchEqual || m.Op == MatchRegexp {
		b.Value(m.Name+string(m.Op)+`""`, m.Value, m.Op == MatchRegexp)
	}
}

func (b *conditions) line(f *LineFilter) {
	if f.Op.Negative() {
		return
	}
	for _, v := range f.Values {
		b.Value(string(f.Op)+` ""`, v.Text, f.Op == LineMatches)
	}
}

func (b *conditions) labels(f LabelFilter) {
	switch f := f.(type) {
	case *FilterAnd:
		b.labels(f.Left)
		b.labels(f.Right)
	case *FilterOr:
		b.labels(f.Left)
		b.labels(f.Right)
	case *FilterMatch:
		b.matcher(f.Matcher)
	default: // a number, a duration, a size or an address: none is empty
		b.Narrow()
	}
}
