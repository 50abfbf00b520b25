package record_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

func TestDay(t *testing.T) {
	for _, c := range []struct {
		time int64
		name string
	}{
		{0, "19700101"},
		{-1, "19691231"},
		{int64(24*time.Hour) - 1, "19700101"},
		{int64(24 * time.Hour), "19700102"},
		{storagetest.Base, "20260131"},
		{math.MaxInt64, "22620411"},
		{math.MinInt64, "16770921"},
	} {
		d := record.DayOf(c.time)
		if d.String() != c.name {
			t.Errorf("%d is on %s, want %s", c.time, d, c.name)
		}
		if c.time < math.MaxInt64-int64(24*time.Hour) && (d.End() <= c.time || record.DayOf(d.End()) != d+1) {
			t.Errorf("%s ends at %d", d, d.End())
		}
	}
}

func TestOverlaps(t *testing.T) {
	for _, c := range []struct {
		first, last, from, to int64
		want                  bool
	}{
		{5, 9, 0, 0, true},
		{5, 9, 9, 0, true},
		{5, 9, 10, 0, false},
		{5, 9, 0, 5, false},
		{5, 9, 0, 6, true},
		{5, 5, 5, 6, true},
	} {
		if got := record.Overlaps(c.first, c.last, c.from, c.to); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestLogQueryByID(t *testing.T) {
	g := storagetest.NewGen(1)
	l, other := g.Logs(1).Logs[0], g.Logs(1).Logs[0]
	for len(correlation.AppendLog(nil, &l)) == 0 {
		l = g.Logs(1).Logs[0]
	}
	id := correlation.AppendLog(nil, &l)[0].Value
	q := record.LogQuery(storage.LogQuery{IDs: []string{id, "b", "a"}})
	if !slices.IsSorted(q.Hashes) || len(q.Hashes) != 3 {
		t.Errorf("hashes %v", q.Hashes)
	}
	if !q.Match(&l) || q.Match(&other) || q.Needs&storage.ColBody == 0 || q.Columns != storage.ColAll {
		t.Errorf("the query does not match what it should: %+v", q)
	}
}

func TestSpanQuery(t *testing.T) {
	g := storagetest.NewGen(2)
	a, b := g.Spans(1).Spans[0], g.Spans(1).Spans[0]
	q := record.SpanQuery(storage.SpanQuery{TraceIDs: []telemetry.TraceID{a.TraceID}})
	if !q.Core(&a) || q.Core(&b) || len(q.Hashes) != 1 || q.Match != nil {
		t.Errorf("by trace: %+v", q)
	}
	q = record.SpanQuery(storage.SpanQuery{MinDuration: a.Duration() + 1})
	if q.Core(&a) || q.Hashes != nil {
		t.Errorf("by duration: %+v", q)
	}
	if q = record.SpanQuery(storage.SpanQuery{}); q.Core != nil || q.Match != nil {
		t.Errorf("all: %+v", q)
	}
}
