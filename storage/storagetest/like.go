package storagetest

import (
	"slices"
	"strings"
	"testing"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// likeValues are attributes that are easily taken for one another, and those
// that a store may not have by their text.
func likeValues() []telemetry.Value {
	two := []telemetry.Value{telemetry.Int(2)}
	return append(slices.Clone(oddValues),
		telemetry.Int(2), telemetry.String("2"), telemetry.String("+2"), telemetry.String("true"), telemetry.Bool(false), telemetry.String("\xff2"),
		telemetry.Array(two), telemetry.Array(nil), telemetry.Array([]telemetry.Value{{}}), telemetry.Array([]telemetry.Value{telemetry.String("plain")}),
		telemetry.String("[]"), telemetry.String("[null]"), telemetry.String("AAE="), telemetry.String("Plain"), telemetry.Int(-7),
	)
}

// likeKeys are attributes whose first value is a word, a number, and one of
// any kind; and one that is no name of a field.
var likeKeys = []string{"like.word", "like.number", "like.any", ".like*"}

// likeAttrs are the attributes of the i-th record: each key has each value once,
// and is missing sometimes.
func likeAttrs(i int) telemetry.Attrs {
	values := likeValues()
	switch i {
	case 0:
		return telemetry.Attrs{{Key: "like.word", Value: telemetry.String("plain")}, {Key: "like.number", Value: telemetry.Int(2)}}
	case 1:
		return telemetry.Attrs{{Key: "like.any", Value: telemetry.String("plain")}, {Key: "like.any", Value: telemetry.Int(7)}}
	}
	var out telemetry.Attrs
	for j, key := range likeKeys {
		if (i+j)%5 != 0 {
			out = append(out, telemetry.Attr{Key: key, Value: values[(i+j)%len(values)]})
		}
	}
	return out
}

// likeTexts are those that are looked for.
func likeTexts() []string {
	out := []string{"nobody has it"}
	for _, v := range likeValues() {
		if text := v.Text(); text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// spansLike holds that a store that skips what is not like the spans wanted
// skips nothing else.
func spansLike(t *testing.T, s storage.Store) {
	g := NewGen(43)
	var all []telemetry.Span
	for _, n := range []int{1, 2 * len(likeValues())} { // the first one decides on types
		b := g.Spans(n)
		for i := range b.Spans {
			sp := &b.Spans[i]
			sp.Attrs = append(likeAttrs(len(all)+i), sp.Attrs...)
			switch i % 9 {
			case 5:
				sp.Kind, sp.Status = 9, 7
			case 6:
				sp.Name = strings.Repeat("long ", 400)
			case 7:
				sp.Name = "\xff"
			}
		}
		b = SpanBatch(b.Spans)
		WriteSpans(t, s, Tenant, b)
		all = append(all, b.Spans...)
	}
	check := func(like storage.SpanLike) {
		t.Helper()
		holds := func(s *telemetry.Span) bool { return like.Holds(s) }
		got := Spans(t, s, storage.SpanQuery{Tenant: Tenant, Like: like})
		if d := DiffSpans(where(got, holds), where(all, holds)); d != "" {
			t.Errorf("like %+v: %s", like, d)
		}
	}
	one := func(st *telemetry.Stream) bool { return st.ID == g.Streams[0].ID }
	for i, text := range likeTexts() {
		for j, key := range likeKeys {
			if j > 1 && (i+j)%3 > 0 {
				continue // enough of those
			}
			check(storage.SpanLike{Attrs: []storage.SpanText{{Key: key, Texts: []string{text}}}})
		}
		check(storage.SpanLike{Attrs: []storage.SpanText{{Key: likeKeys[i%2], Texts: []string{text, "2"}, Stream: one}}})
	}
	check(storage.SpanLike{Attrs: []storage.SpanText{{Key: "like.any"}}})
	for i := range min(len(all), 18) {
		check(storage.SpanLike{Name: all[i].Name})
		check(storage.SpanLike{Kind: all[i].Kind, Status: all[i].Status})
	}
}

// logsWhere is spansLike for the conditions of logs.
func logsWhere(t *testing.T, s storage.Store) {
	g := NewGen(44)
	var all []telemetry.Log
	for _, n := range []int{1, 2 * len(likeValues())} {
		b := g.Logs(n)
		for i := range b.Logs {
			l := &b.Logs[i]
			l.Attrs = append(likeAttrs(len(all)+i), l.Attrs...)
			l.EventName = []string{"", "plain", "2", strings.Repeat("long ", 400), "\xff"}[i%5]
		}
		b = LogBatch(b.Logs)
		WriteLogs(t, s, Tenant, b)
		all = append(all, b.Logs...)
	}
	keys := []func(string) bool{nil, func(k string) bool { return strings.Contains(k, "like") }}
	for _, key := range likeKeys {
		keys = append(keys, func(k string) bool { return k == key })
	}
	for i, text := range likeTexts() {
		for j, key := range keys {
			if j != 2 && j != 3 && (i+j)%3 > 0 {
				continue
			}
			c := storage.Condition{Key: key, Texts: []string{text}, Accept: func(have string) bool { return have == text }}
			if key == nil || i%4 == 0 {
				c.Field = storage.FieldEventName
			}
			holds := func(l *telemetry.Log) bool { return c.Holds(l) }
			got := Logs(t, s, storage.LogQuery{Tenant: Tenant, Where: []storage.Condition{c}})
			if d := DiffLogs(where(got, holds), where(all, holds)); d != "" {
				t.Errorf("text %q, key %d: %s", text, j, d)
			}
		}
	}
}
