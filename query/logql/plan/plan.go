package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Use tells what a query needs of the records its pipeline lets through.
type Use struct {
	// Line is set where the line itself is in the answer, or its length.
	Line bool
	// AllLabels is set where every label of a record is in the answer.
	AllLabels bool
	// Labels are the labels in the answer where AllLabels is not set.
	Labels []string
}

// Plan is what a store is asked for on behalf of one pipeline.
type Plan struct {
	Matchers []*syntax.Matcher
	// Text are literals that stand in every line that can pass.
	Text []string
	// IDs, where not empty, are correlation IDs of which every record that
	// can pass carries at least one.
	IDs []string
	// MinSeverity lets records go whose severity is set and lower.
	MinSeverity telemetry.Severity
	Columns     storage.Columns
	// Where are conditions that hold of every record that can pass. Resolve
	// sets them.
	Where []storage.Condition
	// Levels are conditions on the detected level, which is the severity of
	// every record that has one. Resolve sets them.
	Levels []*syntax.Matcher
	// Exact is set where exactly the records pass for which Text, Where and
	// Levels hold. Resolve may take it back.
	Exact bool

	// byLabel are pushdowns that only hold where no stream has a label of
	// the same name as the structured metadata they rest on.
	byLabel []labelPush
}

type labelPush struct {
	label    string
	id       string
	severity telemetry.Severity
	level    *syntax.Matcher
	where    *storage.Condition
}

// New plans the reading for a selector and its stages; filters are label
// filters behind the stages.
func New(e *syntax.LogExpr, filters []syntax.LabelFilter, use Use) *Plan {
	p := &Plan{Matchers: e.Matchers, Exact: true}
	w := walk{plan: p, use: use, set: map[string]bool{}}
	for _, s := range e.Stages {
		w.stage(s)
	}
	for _, f := range filters {
		w.filter(f)
	}
	p.Columns = w.columns()
	return p
}

// MatchStream reports whether a stream of these labels is selected.
func (p *Plan) MatchStream(v *entry.Stream) bool {
	for _, m := range p.Matchers {
		if !m.Matches(v.Get(m.Name)) {
			return false
		}
	}
	return true
}

// NeedsStreams reports whether Resolve would make use of the list of streams.
func (p *Plan) NeedsStreams() bool { return len(p.byLabel) > 0 }

// Resolve decides on the pushdowns that depend on which labels the streams of
// the store have; has reports whether any selected stream, or its scope, has a
// label.
func (p *Plan) Resolve(has func(label string) bool) {
	for _, b := range p.byLabel {
		switch {
		case has(b.label):
			p.Exact = p.Exact && b.where == nil && b.level == nil
		case b.where != nil:
			p.Where = append(p.Where, *b.where)
		case b.level != nil:
			p.Levels = append(p.Levels, b.level)
			p.MinSeverity = max(p.MinSeverity, b.severity)
		case b.id != "" && len(p.IDs) == 0:
			p.IDs = []string{b.id}
		}
	}
	p.byLabel = nil
}

// Describe returns the plan in lines for people.
func (p *Plan) Describe() []string {
	out := []string{"streams: " + (&syntax.LogExpr{Matchers: p.Matchers}).Selector()}
	if len(p.Text) > 0 {
		out = append(out, fmt.Sprintf("text in every line: %q", p.Text))
	}
	if len(p.IDs) > 0 {
		out = append(out, "by the ID index: "+strings.Join(p.IDs, ", "))
	}
	if len(p.Where) > 0 {
		out = append(out, fmt.Sprintf("conditions on labels: %d", len(p.Where)))
	}
	for _, m := range p.Levels {
		out = append(out, "detected level: "+m.String())
	}
	if p.MinSeverity > 0 {
		out = append(out, fmt.Sprintf("severity at least: %s (%d)", p.MinSeverity, p.MinSeverity))
	}
	return append(out, "columns: "+strings.Join(columnNames(p.Columns), ", "))
}

func columnNames(c storage.Columns) []string {
	var out []string
	for _, col := range []struct {
		c    storage.Columns
		name string
	}{{storage.ColBody, "body"}, {storage.ColAttrs, "attributes"}, {storage.ColSeverity, "severity"}, {storage.ColRest, "rest"}} {
		if c.Has(col.c) {
			out = append(out, col.name)
		}
	}
	return out
}

// walk goes through the stages in order and keeps what is known at each.
type walk struct {
	plan *Plan
	use  Use
	// lineChanged: the line is no longer the record's body.
	lineChanged bool
	// anySet: some stage may have set any label; set: these labels were set.
	anySet bool
	set    map[string]bool

	needLine bool
	needAll  bool
	refs     []string
}

func (w *walk) stage(s syntax.Stage) {
	switch s := s.(type) {
	case *syntax.LineFilter, *syntax.LabelFilterStage:
	case *syntax.Keep:
		w.plan.Exact = w.plan.Exact && s.Drop && w.dropsExactly(s)
	default:
		w.plan.Exact = false
	}
	switch s := s.(type) {
	case *syntax.LineFilter:
		w.needLine = true
		w.lineFilter(s)
	case *syntax.JSON:
		w.parser(s.Extract)
	case *syntax.Logfmt:
		w.parser(s.Extract)
	case *syntax.Pattern, *syntax.Regexp:
		w.parser(nil)
	case *syntax.Unpack:
		w.parser(nil)
		w.lineChanged = true
	case *syntax.LabelFilterStage:
		w.filter(s.Filter)
	case *syntax.LineFormat:
		w.needLine, w.needAll, w.lineChanged = true, true, true
	case *syntax.LabelFormat:
		for _, op := range s.Ops {
			w.set[op.Dst] = true
			if op.Rename {
				w.set[op.Value] = true // to nothing
				w.refs = append(w.refs, op.Value)
			} else {
				w.needAll, w.needLine = true, true
			}
		}
	case *syntax.Decolorize:
		w.needLine, w.lineChanged = true, true
	case *syntax.Keep:
		w.anySet = w.anySet || !s.Drop // what is not kept is gone
		for _, l := range s.Labels {
			w.refs = append(w.refs, l.Name)
			w.set[l.Name] = w.set[l.Name] || s.Drop
		}
	case *syntax.Distinct:
		// Which line is the first of its kind depends on all that come here.
		w.refs = append(w.refs, s.Labels...)
		w.anySet, w.lineChanged = true, true
	}
}

// dropsExactly reports whether a drop is nothing to what is asked for. Where
// the plan is exact so far no record has an error.
func (w *walk) dropsExactly(s *syntax.Keep) bool {
	for _, l := range s.Labels {
		if l.Name == "__error__" || l.Name == "__error_details__" {
			continue
		}
		if l.Matcher != nil || w.use.AllLabels || slices.Contains(w.use.Labels, l.Name) {
			return false
		}
	}
	return true
}

// parser notes what a parser may set: these labels (or, where they clash, the
// same with a suffix), or any label where there are none.
func (w *walk) parser(extract []syntax.Extraction) {
	w.needLine = true
	w.anySet = w.anySet || len(extract) == 0
	for _, x := range extract {
		w.set[x.Label] = true
	}
}

func (w *walk) lineFilter(f *syntax.LineFilter) {
	if w.lineChanged || f.Op != syntax.LineContains || len(f.Values) != 1 || f.Values[0].IP {
		w.plan.Exact = false
	}
	if w.lineChanged || f.Op.Negative() || len(f.Values) != 1 || f.Values[0].IP {
		return
	}
	text := f.Values[0].Text
	switch f.Op {
	case syntax.LineContains:
		w.text(text)
	case syntax.LineMatches:
		for _, lit := range requiredLiterals(text) {
			w.text(lit)
		}
	case syntax.LinePattern:
		parts, err := syntax.ParsePattern(text)
		if err != nil {
			return
		}
		for _, p := range parts {
			if !p.Capture {
				w.text(p.Text)
			}
		}
	}
}

// text notes a literal that stands in the body of every record that can pass.
func (w *walk) text(lit string) {
	if lit == "" {
		return
	}
	w.plan.Text = append(w.plan.Text, lit)
	if len(w.plan.IDs) == 0 {
		if id, ok := wholeID(lit); ok {
			w.plan.IDs = []string{id}
		}
	}
}

// filter notes the labels that a condition reads, and what follows from it.
func (w *walk) filter(f syntax.LabelFilter) {
	switch f := f.(type) {
	case *syntax.FilterAnd:
		w.filter(f.Left)
		w.filter(f.Right)
	default:
		w.refs = append(w.refs, names(f)...)
		if m, ok := f.(*syntax.FilterMatch); ok && !w.anySet && !w.set[m.Matcher.Name] {
			w.match(m.Matcher)
		} else {
			w.plan.Exact = false
		}
	}
}

// match notes the pushdowns that a comparison of a label allows that no stage
// has set.
func (w *walk) match(m *syntax.Matcher) {
	if c, ok := entry.Condition(m.Name, m.Matches); ok {
		if m.Op == syntax.MatchEqual && m.Value != "" {
			c.Texts = []string{m.Value}
		}
		w.plan.byLabel = append(w.plan.byLabel, labelPush{label: m.Name, where: &c})
		return
	}
	if m.Name == entry.DetectedLevel {
		w.plan.byLabel = append(w.plan.byLabel, labelPush{label: m.Name, severity: lowestSeverity(m), level: m})
		return
	}
	w.plan.Exact = false
	switch m.Name {
	case entry.TraceID, entry.SpanID:
		if id, ok := contextID(m); ok {
			w.plan.byLabel = append(w.plan.byLabel, labelPush{label: m.Name, id: id})
		}
	}
}

func names(f syntax.LabelFilter) []string {
	switch f := f.(type) {
	case *syntax.FilterAnd:
		return append(names(f.Left), names(f.Right)...)
	case *syntax.FilterOr:
		return append(names(f.Left), names(f.Right)...)
	case *syntax.FilterMatch:
		return []string{f.Matcher.Name}
	case *syntax.FilterNumber:
		return []string{f.Name}
	case *syntax.FilterDuration:
		return []string{f.Name}
	case *syntax.FilterBytes:
		return []string{f.Name}
	case *syntax.FilterIP:
		return []string{f.Name}
	}
	return nil
}

// columns returns what must be read. service_name is always a stream label,
// and the line of a record that has no severity also tells its level.
func (w *walk) columns() storage.Columns {
	all := w.needAll || w.use.AllLabels
	refs := append(slices.Clone(w.refs), w.use.Labels...)
	refs = slices.DeleteFunc(refs, func(n string) bool {
		return n == entry.ServiceName || n == "__error__" || n == "__error_details__"
	})
	var c storage.Columns
	if w.needLine || w.use.Line || all || slices.Contains(refs, entry.DetectedLevel) {
		c |= storage.ColBody
	}
	if all || len(refs) > 0 {
		c |= storage.ColAttrs | storage.ColSeverity | storage.ColRest
	}
	if c == 0 {
		return storage.ColSeverity // the cheapest that is not "everything"
	}
	return c
}
