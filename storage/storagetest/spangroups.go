package storagetest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// oddDurations are lengths that a store may have in another shape.
var oddDurations = []int64{0, 1, 2, 3, 4, 5, -7, 1 << 20, 1<<20 + 1, 1<<53 + 1, 999_999_999}

// spansGrouped compares the groups of a store that tells of spans in groups with
// what its spans come to.
func spansGrouped(t *testing.T, s storage.Store) {
	grouper, ok := s.(storage.SpanGrouper)
	if !ok {
		return
	}
	g := NewGen(41)
	var all []telemetry.Span
	for range 3 {
		b := g.Spans(100)
		for i := range b.Spans {
			sp := &b.Spans[i]
			sp.Attrs = append(sp.Attrs, telemetry.Attr{Key: "plain.key", Value: telemetry.String(fmt.Sprint("v", i%3))},
				telemetry.Attr{Key: "odd.key", Value: oddValues[i%len(oddValues)]})
			if i%4 == 0 {
				sp.Attrs = append(sp.Attrs, telemetry.Attr{Key: "number.key", Value: telemetry.Int(int64(i % 2))})
			}
			if i%3 == 0 {
				sp.End = sp.Start + oddDurations[i/3%len(oddDurations)]
			}
		}
		b = SpanBatch(b.Spans)
		WriteSpans(t, s, Tenant, b)
		all = append(all, b.Spans...)
	}
	first, last := all[0].Start, all[0].Start
	for i := range all {
		first, last = min(first, all[i].Start), max(last, all[i].Start)
	}
	r := rand.New(rand.NewPCG(1, 41))
	keys := []string{"plain.key", "odd.key", "number.key", "nobody has it"}
	for n := range 40 {
		some := func() bool { return r.IntN(2) == 0 }
		q := storage.SpanGroupQuery{Longest: math.MaxInt64, Durations: some(), Samples: some(),
			By: storage.SpanTraits{Name: some(), Kind: some(), Status: some(), Root: some(), Class: some()}}
		q.Query = storage.SpanQuery{Tenant: Tenant, From: first + int64(r.IntN(3)), To: last + int64(r.IntN(2)), Columns: storage.ColSpan | storage.ColAttrs, Stats: &storage.ReadStats{}}
		if some() {
			q.By.Keys = keys[r.IntN(len(keys)):][:1]
		}
		if some() {
			q.Shortest, q.Longest = time.Duration(r.IntN(4)), time.Duration(r.IntN(1e9))
		}
		if some() {
			q.Query.Stream = func(st *telemetry.Stream) bool { return st.Service != "service-2" }
		}
		q.Width = []int64{0, (last-first)/1e6/7*1e6 + 1e6, 2_500_001}[r.IntN(3)]
		sums := spanSums{}
		for i := range all {
			if sp := &all[i]; sp.Start >= q.Query.From && sp.Start < q.Query.To && q.Takes(sp) && (q.Query.Stream == nil || q.Query.Stream(sp.Stream)) {
				sums.add(&q, q.GroupOf(sp))
			}
		}
		want := sums.texts(&q)
		sums = spanSums{}
		if err := grouper.SpanGroups(context.Background(), q, func(g storage.SpanGroup) {
			if q.Samples && g.Sample == nil {
				t.Errorf("query %d: a group without a sample", n)
			} else if q.Samples && keyOfGroup(&q, q.GroupOf(g.Sample)) != keyOfGroup(&q, g) {
				t.Errorf("query %d: a sample of %s stands for %s", n, keyOfGroup(&q, q.GroupOf(g.Sample)), keyOfGroup(&q, g))
			}
			sums.add(&q, g)
		}); err != nil {
			t.Fatalf("query %d: %v", n, err)
		}
		if got := sums.texts(&q); !maps.Equal(got, want) || len(q.Query.Stats.Warnings) > 0 || len(want) == 0 && q.Longest > time.Second {
			t.Errorf("query %d, %+v: %d groups, want %d; %s; %v", n, q, len(got), len(want), difference(got, want), q.Query.Stats.Warnings)
		}
	}
}

// difference names a group that two answers do not agree about.
func difference(got, want map[string]string) string {
	for k, v := range want {
		if got[k] != v {
			return fmt.Sprintf("%s is %q, want %q", k, got[k], v)
		}
	}
	for k, v := range got {
		if want[k] == "" {
			return fmt.Sprintf("%s is %q, want none", k, v)
		}
	}
	return "equal"
}

// spanSums is groups added up by what they are told apart by.
type spanSums map[string]*storage.SpanGroup

func (s spanSums) add(q *storage.SpanGroupQuery, g storage.SpanGroup) {
	k := keyOfGroup(q, g)
	have := s[k]
	if have == nil {
		s[k] = &g
		return
	}
	have.N += g.N
	have.Durations.Least, have.Durations.Most = min(have.Durations.Least, g.Durations.Least), max(have.Durations.Most, g.Durations.Most)
	have.Durations.Sum += g.Durations.Sum
	if a, b := g.Sample, have.Sample; a != nil && b != nil && (a.Start < b.Start || a.Start == b.Start && a.End < b.End) {
		have.Sample = a
	}
}

func (s spanSums) texts(q *storage.SpanGroupQuery) map[string]string {
	out := map[string]string{}
	for k, g := range s {
		out[k] = fmt.Sprint(g.N)
		if g.Sample != nil {
			out[k] += fmt.Sprint(" ", g.Sample.Start, " ", g.Sample.End)
		}
		if q.Durations {
			out[k] += fmt.Sprint(" ", g.Durations.Least, " ", g.Durations.Most)
			if g.Durations.Sum < 1<<53 { // beyond, the order decides
				out[k] += fmt.Sprint(" ", g.Durations.Sum)
			}
		}
	}
	return out
}

// keyOfGroup is what a group is told apart by, as text.
func keyOfGroup(q *storage.SpanGroupQuery, g storage.SpanGroup) string {
	by, like := &q.By, g.Like
	key := fmt.Sprintf("%x %d", like.Stream.ID, g.Bin)
	if by.Name {
		key += fmt.Sprintf(" name %q", like.Name)
	}
	if by.Kind {
		key += fmt.Sprintf(" kind %d", like.Kind)
	}
	if by.Status {
		key += fmt.Sprintf(" status %d", like.Status)
	}
	if by.Root {
		key += fmt.Sprintf(" root %t", like.ParentID.IsZero())
	}
	if by.Class {
		key += fmt.Sprintf(" class %d", telemetry.DurationClass(like.Duration()))
	}
	for _, k := range slices.Sorted(slices.Values(by.Keys)) {
		v, _ := like.Attrs.Get(k)
		key += fmt.Sprintf(" %s %d %q", k, v.Kind(), v.Text())
	}
	return key
}
