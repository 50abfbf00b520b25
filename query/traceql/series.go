package traceql

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/clewhq/clew/query/traceql/syntax"
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
		slices.SortFunc(x.Exemplars, func(a, b Exemplar) int { return cmp.Compare(a.Time, b.Time) })
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b Series) int {
		return slices.CompareFunc(a.Labels, b.Labels, func(x, y Attr) int {
			return cmp.Or(strings.Compare(x.Key, y.Key), compareStatics(x.Value, y.Value))
		})
	})
	return out
}

// compareStatics orders any two values, those without an order by their keys.
func compareStatics(a, b syntax.Static) int {
	if n, ok := a.Compare(b); ok && n != 0 {
		return n
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
