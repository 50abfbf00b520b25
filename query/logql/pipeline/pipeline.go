package pipeline

import (
	"fmt"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/syntax"
)

// Record is one log record on its way through the stages.
type Record struct {
	Time   int64 // Unix nanoseconds
	Line   string
	Labels Labels
}

// stage works on a record and reports whether it stays.
type stage interface {
	process(r *Record) bool
}

// Limits bound what a pipeline may use for one query.
type Limits struct {
	// TemplateBytes is the most text that one template may make of a record.
	TemplateBytes int
	// DistinctValues is how many combinations a distinct stage remembers.
	DistinctValues int
}

// DefaultLimits suit everything that a person reads.
func DefaultLimits() Limits { return Limits{TemplateBytes: 1 << 20, DistinctValues: 1_000_000} }

// Pipeline is a compiled list of stages. It is not safe for concurrent use.
type Pipeline struct {
	stages []stage
	rec    Record
}

// New compiles stages.
func New(stages []syntax.Stage, lim Limits) (*Pipeline, error) {
	p := &Pipeline{}
	for _, s := range stages {
		c, err := compile(s, lim)
		if err != nil {
			return nil, err
		}
		if c != nil {
			p.stages = append(p.stages, c)
		}
	}
	return p, nil
}

// AddFilter appends a label filter behind all stages.
func (p *Pipeline) AddFilter(f syntax.LabelFilter) error {
	c, err := compileFilter(f)
	if err != nil {
		return err
	}
	p.stages = append(p.stages, filterStage{c})
	return nil
}

// Process runs a record of stream v through the stages. The result is valid
// until the next call; nil where the record was filtered out.
func (p *Pipeline) Process(v *entry.Stream, t int64, line string, meta func([]entry.Label) []entry.Label) *Record {
	r := &p.rec
	r.Time, r.Line = t, line
	r.Labels.Reset(v, meta)
	for _, s := range p.stages {
		if !s.process(r) {
			return nil
		}
	}
	return r
}

func compile(s syntax.Stage, lim Limits) (stage, error) {
	switch s := s.(type) {
	case *syntax.LineFilter:
		return compileLineFilter(s)
	case *syntax.JSON:
		return newJSON(s)
	case *syntax.Logfmt:
		return newLogfmt(s), nil
	case *syntax.Pattern:
		return newPattern(s)
	case *syntax.Regexp:
		return newRegexp(s)
	case *syntax.Unpack:
		return unpack{}, nil
	case *syntax.LabelFilterStage:
		f, err := compileFilter(s.Filter)
		return filterStage{f}, err
	case *syntax.LineFormat:
		return newLineFormat(s, lim)
	case *syntax.LabelFormat:
		return newLabelFormat(s, lim)
	case *syntax.Decolorize:
		return decolorize{}, nil
	case *syntax.Keep:
		return keep{s}, nil
	case *syntax.Distinct:
		return &distinct{labels: s.Labels, seen: map[string]struct{}{}, most: lim.DistinctValues}, nil
	}
	return nil, fmt.Errorf("compile the query: stage %T is unknown", s)
}

// Continue runs a record that another pipeline has let through on through
// this one's stages.
func (p *Pipeline) Continue(r *Record) bool {
	for _, s := range p.stages {
		if !s.process(r) {
			return false
		}
	}
	return true
}
