package syntax

import (
	"fmt"
	"regexp"
	"time"
)

// MatchOp is how a matcher compares.
type MatchOp string

// The match operators.
const (
	MatchEqual     MatchOp = "="
	MatchNotEqual  MatchOp = "!="
	MatchRegexp    MatchOp = "=~"
	MatchNotRegexp MatchOp = "!~"
)

// Matcher compares a label with a text; regular expressions are anchored.
type Matcher struct {
	Name  string
	Op    MatchOp
	Value string
	re    *regexp.Regexp
}

// NewMatcher returns a matcher, or an error for a broken regular expression.
func NewMatcher(name string, op MatchOp, value string) (*Matcher, error) {
	m := &Matcher{Name: name, Op: op, Value: value}
	if op == MatchRegexp || op == MatchNotRegexp {
		re, err := regexp.Compile("^(?s:" + value + ")$")
		if err != nil {
			if _, plain := regexp.Compile(value); plain != nil {
				err = plain
			}
			return nil, fmt.Errorf("compile the regular expression of label %s: %w", name, err)
		}
		m.re = re
	}
	return m, nil
}

// Matches reports whether a label of this value matches; "" is no label.
func (m *Matcher) Matches(value string) bool {
	switch m.Op {
	case MatchEqual:
		return value == m.Value
	case MatchNotEqual:
		return value != m.Value
	case MatchRegexp:
		return m.re.MatchString(value)
	}
	return !m.re.MatchString(value)
}

// Stage is one step of a pipeline.
type Stage interface {
	String() string
	stage()
}

// LineFilterOp is what a line filter asks.
type LineFilterOp string

// The line filters.
const (
	LineContains   LineFilterOp = "|="
	LineNotContain LineFilterOp = "!="
	LineMatches    LineFilterOp = "|~"
	LineNotMatch   LineFilterOp = "!~"
	LinePattern    LineFilterOp = "|>"
	LineNotPattern LineFilterOp = "!>"
)

// Negative reports whether the filter keeps the lines that do not match.
func (op LineFilterOp) Negative() bool { return op[0] == '!' }

// LineFilter keeps the lines that hold one of its values, or none of them
// where the operator is negative.
type LineFilter struct {
	Op     LineFilterOp
	Values []LineValue
}

// LineValue is one alternative of a line filter.
type LineValue struct {
	IP   bool // written ip("...")
	Text string
}

// Extraction is one `label="path"` of a parser.
type Extraction struct{ Label, Path string }

// JSON parses the line as a JSON object.
type JSON struct{ Extract []Extraction }

// Logfmt parses the line as key=value pairs.
type Logfmt struct {
	Strict, KeepEmpty bool
	Extract           []Extraction
}

// Pattern takes labels out of the line by a pattern of literals and captures.
type Pattern struct{ Pattern string }

// Regexp takes labels out of the line by named groups.
type Regexp struct{ Regexp string }

// Unpack takes apart what Promtail's pack stage put together.
type Unpack struct{}

// LabelFilterStage keeps lines by their labels.
type LabelFilterStage struct{ Filter LabelFilter }

// LineFormat replaces the line by a template's output.
type LineFormat struct{ Template string }

// LabelFormat sets labels.
type LabelFormat struct{ Ops []LabelFormatOp }

// LabelFormatOp sets Dst from a template, or renames Src to Dst.
type LabelFormatOp struct {
	Dst    string
	Rename bool
	Value  string // a label's name where Rename is set, otherwise a template
}

// Decolorize cuts ANSI colours out of the line.
type Decolorize struct{}

// Keep keeps (or, with Drop, drops) labels by name or by matcher.
type Keep struct {
	Drop   bool
	Labels []KeepLabel
}

// KeepLabel is one label of keep and drop; Matcher is nil where only the name counts.
type KeepLabel struct {
	Name    string
	Matcher *Matcher
}

// Distinct keeps the first line of every combination of the labels' values.
type Distinct struct{ Labels []string }

func (*LineFilter) stage()       {}
func (*JSON) stage()             {}
func (*Logfmt) stage()           {}
func (*Pattern) stage()          {}
func (*Regexp) stage()           {}
func (*Unpack) stage()           {}
func (*LabelFilterStage) stage() {}
func (*LineFormat) stage()       {}
func (*LabelFormat) stage()      {}
func (*Decolorize) stage()       {}
func (*Keep) stage()             {}
func (*Distinct) stage()         {}

// LabelFilter is a condition on labels.
type LabelFilter interface {
	String() string
	labelFilter()
}

// FilterAnd holds where both sides do; FilterOr where one does.
type (
	FilterAnd struct{ Left, Right LabelFilter }
	FilterOr  struct{ Left, Right LabelFilter }
)

// FilterMatch compares a label as text.
type FilterMatch struct{ Matcher *Matcher }

// FilterNumber compares a label as a number.
type FilterNumber struct {
	Name  string
	Op    string
	Value float64
	text  string
}

// FilterDuration compares a label as a duration.
type FilterDuration struct {
	Name  string
	Op    string
	Value time.Duration
	text  string
}

// FilterBytes compares a label as a size.
type FilterBytes struct {
	Name  string
	Op    string
	Value uint64
	text  string
}

// FilterIP asks whether a label is an address inside a range.
type FilterIP struct {
	Name    string
	Not     bool
	Pattern string
}

func (*FilterAnd) labelFilter()      {}
func (*FilterOr) labelFilter()       {}
func (*FilterMatch) labelFilter()    {}
func (*FilterNumber) labelFilter()   {}
func (*FilterDuration) labelFilter() {}
func (*FilterBytes) labelFilter()    {}
func (*FilterIP) labelFilter()       {}
