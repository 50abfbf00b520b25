package traceql

import (
	"bytes"
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/telemetry"
)

// Labels that are not attributes.
const (
	nameLabel     = "__name__"
	bucketLabel   = "__bucket"
	quantileLabel = "p"
	metaLabel     = "__meta_type"
)

// Series is one line of a metrics answer. Points without a value are NaN.
type Series struct {
	Labels    []Attr
	Values    []float64
	Exemplars []Exemplar
}

// Exemplar is a span that a series counted.
type Exemplar struct {
	Labels []Attr
	Value  float64
	Time   int64 // Unix nanoseconds
}

// PromLabels renders the labels in Prometheus's way.
func (s *Series) PromLabels() string {
	parts := make([]string, 0, len(s.Labels))
	for _, l := range s.Labels {
		text := l.Value.Text()
		switch {
		case l.Value.IsNil() || l.Value.Type == syntax.TypeString && text == "nil":
			text = "<nil>"
		case text == "":
			text = "<empty>"
		case l.Value.Type == syntax.TypeInt:
			text = "int(" + text + ")"
		}
		name := l.Key
		if !isPlainLabel(name) {
			name = quote(name)
		}
		parts = append(parts, name+"="+quote(text))
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ", ") + "}"
}

func isPlainLabel(s string) bool {
	for i, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// empty reports whether no point has a value.
func (s *Series) empty() bool {
	return !slices.ContainsFunc(s.Values, func(v float64) bool { return !math.IsNaN(v) })
}

// seriesSet is series by their labels, the name left out.
type seriesSet map[string]*Series

func labelsKey(labels []Attr) string {
	var b strings.Builder
	for _, l := range labels {
		if l.Key == nameLabel {
			continue
		}
		b.WriteString(l.Key)
		b.WriteByte(0)
		b.WriteString(l.Value.Key())
		b.WriteByte(0)
	}
	return b.String()
}

func (s seriesSet) add(x *Series) { s[labelsKey(x.Labels)] = x }

// sorted returns the series that have a value, in the order of their labels.
func (s seriesSet) sorted() []Series {
	out := make([]Series, 0, len(s))
	for _, x := range s {
		if x.empty() {
			continue
		}
		slices.SortFunc(x.Exemplars, compareExemplars)
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b Series) int {
		return slices.CompareFunc(a.Labels, b.Labels, func(x, y Attr) int {
			return cmp.Or(strings.Compare(x.Key, y.Key), compareStatics(x.Value, y.Value))
		})
	})
	return out
}

// compareStatics orders any two values: numbers by what they are, NaN first, then
// the other types one after the other.
func compareStatics(a, b syntax.Static) int {
	switch numbers := a.Type.Numeric(); {
	case numbers != b.Type.Numeric():
		return cmp.Compare(a.Type, b.Type)
	case numbers && (a.Type != b.Type || a.Type == syntax.TypeFloat):
		if n := cmp.Compare(a.AsFloat(), b.AsFloat()); n != 0 {
			return n
		}
	default:
		if n, ok := a.Compare(b); ok && n != 0 {
			return n
		}
	}
	return strings.Compare(a.Key(), b.Key())
}

// filled returns n points of one value.
func filled(n int, v float64) []float64 {
	out := make([]float64, n)
	if v != 0 {
		for i := range out {
			out[i] = v
		}
	}
	return out
}

// Which spans are exemplars must not depend on the order in which a store hands
// spans out, nor on whether it counts them in groups: of each series and point
// it is the first span, and a point has a limited number of them, the first ones.

// firstSpan is the first span of a series at a point.
type firstSpan struct {
	Exemplar
	end   int64
	trace telemetry.TraceID
	span  telemetry.SpanID
	group *group
}

func compareFirst(a, b *firstSpan) int {
	return cmp.Or(
		cmp.Compare(a.Time, b.Time), cmp.Compare(a.end, b.end),
		bytes.Compare(a.trace[:], b.trace[:]), bytes.Compare(a.span[:], b.span[:]),
		strings.Compare(a.group.key, b.group.key),
	)
}

// firsts are those of the series at one point, as far as they are kept, and the
// last of them.
type firsts struct {
	groups []*group
	last   int
}

// perPoint is how many exemplars a point may have: all points together have
// those that are wanted, and some more, since a trace gives only one.
func perPoint(exemplars, points int) int {
	if exemplars == 0 {
		return 0
	}
	return exemplars/max(points, 1) + 2
}

// exemplar notes the span where it is the first one.
func (g *grouped) exemplar(grp *group, i int, v *view, value float64) {
	if g.m.perPoint == 0 || g.m.grid.instant {
		return
	}
	f := firstSpan{Exemplar: Exemplar{Value: value, Time: v.span.Start}, end: v.span.End, trace: v.span.TraceID, span: v.span.SpanID, group: grp}
	at := g.firsts[i]
	if at == nil {
		at = &firsts{}
		g.firsts[i] = at
	}
	known := grp.exemplars[i]
	switch {
	case known != nil:
		if compareFirst(&f, known) >= 0 {
			return
		}
	case len(at.groups) < g.m.perPoint:
		at.groups = append(at.groups, grp)
	default:
		last := at.groups[at.last]
		if compareFirst(&f, last.exemplars[i]) >= 0 {
			return
		}
		delete(last.exemplars, i)
		at.groups[at.last] = grp
	}
	f.Labels = g.exemplarLabels(v)
	if grp.exemplars == nil {
		grp.exemplars = map[int]*firstSpan{}
	}
	grp.exemplars[i] = &f
	at.last = 0
	for j, other := range at.groups {
		if compareFirst(other.exemplars[i], at.groups[at.last].exemplars[i]) > 0 {
			at.last = j
		}
	}
}

func (g *grouped) exemplarLabels(v *view) []Attr {
	labels := []Attr{
		{syntax.Attribute{Intrinsic: syntax.TraceID}.String(), v.intrinsic(syntax.TraceID)},
		{syntax.Attribute{Intrinsic: syntax.SpanID}.String(), v.intrinsic(syntax.SpanID)},
	}
	for _, a := range g.fn.By {
		if val := v.first(a); !val.IsNil() {
			labels = append(labels, Attr{a.String(), val})
		}
	}
	return labels
}

// trace is the ID of an exemplar's trace.
func (e *Exemplar) trace() string { return e.Labels[0].Value.Str() }

func compareExemplars(a, b Exemplar) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), strings.Compare(a.trace(), b.trace()), strings.Compare(a.Labels[1].Value.Str(), b.Labels[1].Value.Str()))
}

// thin leaves a trace one exemplar and all series together no more than most,
// spread over them and over time.
func (s seriesSet) thin(most int) {
	keys := slices.Sorted(maps.Keys(s))
	seen, total := map[string]struct{}{}, 0
	for _, key := range keys {
		x := s[key]
		slices.SortFunc(x.Exemplars, compareExemplars)
		x.Exemplars = slices.DeleteFunc(x.Exemplars, func(e Exemplar) bool {
			_, known := seen[e.trace()]
			seen[e.trace()] = struct{}{}
			return known
		})
		total += len(x.Exemplars)
	}
	if total <= most {
		return
	}
	at := 0
	for _, key := range keys {
		x := s[key]
		x.Exemplars = slices.DeleteFunc(x.Exemplars, func(Exemplar) bool {
			at++
			return at*most/total == (at-1)*most/total
		})
	}
}
