// Package breadth tells queries that ask for something from those that may
// select far more than was meant: a value in them is empty, as a variable leaves
// it that was not set, or none asks for anything. It imports nothing of clew.
package breadth

import "regexp"

// Breadth is what was seen of the conditions of a query that select by what is
// there. Those that select by what is not there don't count.
type Breadth struct {
	empty  string // the first condition with an empty value
	narrow bool   // there is one with another
}

// Value notes a condition that compares with a text.
func (b *Breadth) Value(condition, value string, regex bool) {
	switch {
	case value == "":
		if b.empty == "" {
			b.empty = condition
		}
	case !regex || !matchesAnything(value):
		b.narrow = true
	}
}

// Narrow notes a condition that compares with what is never empty.
func (b *Breadth) Narrow() { b.narrow = true }

// Broad says why the query may select far more than was meant, "" where it does
// not.
func (b *Breadth) Broad() string {
	switch {
	case b.empty != "":
		return b.empty + " compares with nothing, and so selects what does not have it"
	case !b.narrow:
		return "no condition asks for a value"
	}
	return ""
}

// matchesAnything reports whether a regular expression says nothing of a text
// but that there is one, if that: it matches texts that have nothing in common.
func matchesAnything(value string) bool {
	re, err := regexp.Compile("^(?s:" + value + ")$")
	return err == nil && re.MatchString("a") && re.MatchString("\x00 7?")
}
