package search

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/document"
	"github.com/clewhq/clew/telemetry"
)

// Attributes stands in front of the fields of attributes.
const Attributes = "attributes."

// Known is what there is to look for: the types of the attributes' fields, nil
// where they cannot be told, and the streams that a scan may meet.
type Known struct {
	Types   map[string]string
	Streams []*telemetry.Stream
}

// Like leaves out spans that are not like those wanted.
func Like(dst []any, like storage.SpanLike, known Known) []any {
	for _, f := range []struct{ field, text string }{
		{"name", like.Name}, {"kind", wordUnlessZero(like.Kind, document.KindWord)}, {"status.code", wordUnlessZero(like.Status, document.StatusWord)},
	} {
		if f.text != "" {
			dst = append(dst, Either(Term(f.field, f.text), Odd(nil)))
		}
	}
	for _, t := range like.Attrs {
		if q := known.text(t); q != nil {
			dst = append(dst, q)
		}
	}
	return dst
}

func wordUnlessZero[T comparable](v T, word func(T) string) string {
	var zero T
	if v == zero {
		return ""
	}
	return word(v)
}

// text finds the spans of which a condition may hold, nil for any. Values that
// are of other kinds than its texts' are odd ones.
func (k Known) text(t storage.SpanText) any {
	if k.Types == nil {
		return nil
	}
	var either []any
	if kind, ok := k.Types[t.Key]; ok {
		q, told := fieldTexts(Attributes+t.Key, kind, t.Texts)
		if !told {
			return nil
		}
		either = append(either, q...)
	}
	either = append(either, Odd([]string{t.Key}))
	if t.Stream == nil {
		return Either(either...)
	}
	taken := slices.DeleteFunc(slices.Clone(k.Streams), func(s *telemetry.Stream) bool { return !t.Stream(s) })
	if len(taken) == len(k.Streams) || len(taken) > maxStreamTerms {
		return nil
	}
	if len(taken) > 0 {
		either = Streams(either, taken)
	}
	return Either(either...)
}

// fieldTexts finds the records with one of some texts in a field of a type. It
// reports false where the field does not tell.
func fieldTexts(field, kind string, texts []string) ([]any, bool) {
	switch kind {
	case "keyword":
	case "long":
		texts = slices.DeleteFunc(slices.Clone(texts), func(s string) bool {
			n, err := strconv.ParseInt(s, 10, 64)
			return err != nil || strconv.FormatInt(n, 10) != s
		})
	default:
		return nil, false
	}
	if len(texts) == 0 {
		return nil, true
	}
	return []any{map[string]any{"terms": map[string]any{field: texts}}}, true
}

// maxKeys bounds the attributes that one condition is looked for in.
const maxKeys = 20

// Where leaves out log records of which a condition cannot hold.
func Where(dst []any, where []storage.Condition, types map[string]string) []any {
	for i := range where {
		if q := condition(&where[i], types); q != nil {
			dst = append(dst, q)
		}
	}
	return dst
}

func condition(c *storage.Condition, types map[string]string) any {
	// An attribute whose list is empty has no field to know it by.
	list := func(s string) bool { return strings.HasPrefix(s, "[") }
	if len(c.Texts) == 0 || c.Key != nil && (types == nil || slices.ContainsFunc(c.Texts, list)) {
		return nil
	}
	var either []any
	if name := FieldName(c.Field); name != "" {
		either = append(either, map[string]any{"terms": map[string]any{name: c.Texts}})
	}
	var keys []string
	if c.Key != nil {
		keys = slices.DeleteFunc(slices.Sorted(maps.Keys(types)), func(k string) bool { return !c.Key(k) })
	}
	if len(keys) > maxKeys {
		return nil
	}
	for _, k := range keys {
		q, told := fieldTexts(Attributes+k, types[k], c.Texts)
		if !told {
			return nil
		}
		either = append(either, q...)
	}
	return Either(append(either, Odd(keys))...)
}

// FieldName is the field of a text that is no attribute, "" for none.
func FieldName(f storage.LogField) string {
	switch f {
	case storage.FieldSeverityText:
		return "severity_text"
	case storage.FieldEventName:
		return "event_name"
	}
	return ""
}

// ByType reports whether Like or Where look at the types of fields.
func ByType(like storage.SpanLike, where []storage.Condition) bool {
	return len(like.Attrs) > 0 || slices.ContainsFunc(where, func(c storage.Condition) bool { return len(c.Texts) > 0 && c.Key != nil })
}

// ByStream reports whether Like looks at streams.
func ByStream(like storage.SpanLike) bool {
	return slices.ContainsFunc(like.Attrs, func(t storage.SpanText) bool { return t.Stream != nil })
}
