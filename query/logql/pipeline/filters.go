package pipeline

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/clewhq/clew/query/logql/syntax"
)

// errLabelFilter marks a record whose label could not be compared.
const errLabelFilter = "LabelFilterErr"

// filter decides by labels. A record whose label cannot be compared stays, and
// carries the error.
type filter func(b *Labels) bool

type filterStage struct{ f filter }

func (s filterStage) process(r *Record) bool { return s.f(&r.Labels) }

func compileFilter(f syntax.LabelFilter) (filter, error) {
	switch f := f.(type) {
	case *syntax.FilterAnd:
		return compilePair(f.Left, f.Right, func(l, r filter, b *Labels) bool { return l(b) && r(b) })
	case *syntax.FilterOr:
		return compilePair(f.Left, f.Right, func(l, r filter, b *Labels) bool { return l(b) || r(b) })
	case *syntax.FilterMatch:
		m := f.Matcher
		return func(b *Labels) bool { return m.Matches(b.Get(m.Name)) }, nil
	case *syntax.FilterNumber:
		return quantity(f.Name, f.Op, f.Value, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }), nil
	case *syntax.FilterDuration:
		return quantity(f.Name, f.Op, f.Value, time.ParseDuration), nil
	case *syntax.FilterBytes:
		return quantity(f.Name, f.Op, f.Value, syntax.ParseBytes), nil
	case *syntax.FilterIP:
		return ipFilter(f)
	}
	return func(*Labels) bool { return true }, nil
}

func compilePair(l, r syntax.LabelFilter, join func(l, r filter, b *Labels) bool) (filter, error) {
	left, err := compileFilter(l)
	if err != nil {
		return nil, err
	}
	right, err := compileFilter(r)
	if err != nil {
		return nil, err
	}
	return func(b *Labels) bool { return join(left, right, b) }, nil
}

// quantity compares a label as the kind of quantity that parse reads.
func quantity[T float64 | time.Duration | uint64](name, op string, want T, parse func(string) (T, error)) filter {
	return func(b *Labels) bool {
		l, ok := b.Lookup(name)
		if !ok {
			return false
		}
		got, err := parse(l.Value)
		if err != nil {
			if b.Failed() == "" { // what failed before says more
				b.SetError(errLabelFilter, err.Error())
			}
			return true
		}
		switch op {
		case "==":
			return got == want
		case "!=":
			return got != want
		case ">":
			return got > want
		case ">=":
			return got >= want
		case "<":
			return got < want
		}
		return got <= want
	}
}

func ipFilter(f *syntax.FilterIP) (filter, error) {
	rng, err := syntax.ParseIPRange(f.Pattern)
	if err != nil {
		return nil, err
	}
	return func(b *Labels) bool {
		if b.Failed() != "" {
			return true
		}
		l, ok := b.Lookup(f.Name)
		if !ok {
			return false
		}
		a, err := netip.ParseAddr(l.Value)
		if err != nil {
			return lineHasIP(l.Value, rng) != f.Not
		}
		return rng.Contains(a) != f.Not
	}, nil
}
