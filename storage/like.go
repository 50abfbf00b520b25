package storage

import (
	"slices"

	"github.com/clewhq/clew/telemetry"
)

// SpanLike is what a span has, where it is not zero.
type SpanLike struct {
	Name   string
	Kind   telemetry.SpanKind
	Status telemetry.StatusCode
	Attrs  []SpanText // all of them hold
}

// SpanText is a condition on an attribute of a span, the first one of a key: its
// value is a string, an integer or a boolean, and its text one of Texts; or it
// is of another kind, of which the text does not tell enough.
type SpanText struct {
	Key   string
	Texts []string
	// Stream, if set, tells streams of which all spans are taken. It must be
	// pure, as LogQuery.Stream.
	Stream func(*telemetry.Stream) bool
}

// Holds reports whether a span, read with all columns, is like it.
func (l *SpanLike) Holds(s *telemetry.Span) bool {
	if l.Name != "" && s.Name != l.Name || l.Kind != 0 && s.Kind != l.Kind || l.Status != 0 && s.Status != l.Status {
		return false
	}
	return !slices.ContainsFunc(l.Attrs, func(t SpanText) bool { return !t.holds(s) })
}

func (t *SpanText) holds(s *telemetry.Span) bool {
	if t.Stream != nil && t.Stream(s.Stream) {
		return true
	}
	v, _ := s.Attrs.Get(t.Key)
	switch v.Kind() {
	case telemetry.KindEmpty:
		return false
	case telemetry.KindString, telemetry.KindInt, telemetry.KindBool:
		return slices.Contains(t.Texts, v.Text())
	}
	return true
}
