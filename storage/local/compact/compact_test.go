package compact_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage/local/compact"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/segment"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

func TestPlan(t *testing.T) {
	open := compact.Policy{Files: 3, Rows: 1000}
	closed := compact.Policy{Files: 3, Rows: 1000, Closed: true}
	for name, c := range map[string]struct {
		policy compact.Policy
		rows   []int64
		want   []uint64 // places in rows
	}{
		"nothing":                         {open, nil, nil},
		"too few":                         {open, []int64{10, 10}, nil},
		"enough of a size":                {open, []int64{10, 12, 11}, []uint64{0, 2, 1}},
		"sizes apart":                     {open, []int64{1, 10, 100}, nil},
		"smaller ones join":               {open, []int64{1, 100, 101, 102}, []uint64{0, 1, 2, 3}},
		"big ones are left alone":         {open, []int64{501, 502, 503}, nil},
		"closed, not much bigger":         {closed, []int64{100, 200}, []uint64{0, 1}},
		"closed, much bigger":             {closed, []int64{100, 201}, nil},
		"up to the limit":                 {open, []int64{400, 410, 420, 430}, []uint64{0, 1}},
		"closed, two will do":             {closed, []int64{100, 100}, []uint64{0, 1}},
		"closed, a late one waits":        {closed, []int64{1, 100}, nil},
		"closed, late ones join":          {closed, []int64{100, 60, 2, 41}, []uint64{2, 3, 1, 0}},
		"closed, late ones by themselves": {closed, []int64{100, 5, 5}, []uint64{1, 2}},
		"closed, one is done":             {closed, []int64{100}, nil},
		"closed, nothing fits":            {closed, []int64{499, 900}, nil},
		"closed, up to the limit":         {closed, []int64{400, 300, 200, 100}, []uint64{3, 2, 1, 0}},
		"closed, beyond the limit":        {closed, []int64{400, 400, 300}, []uint64{2, 0}},
		"the same size, by their ID":      {open, []int64{5, 5, 5}, []uint64{0, 1, 2}},
	} {
		var in []compact.Candidate
		for i, n := range c.rows {
			in = append(in, compact.Candidate{ID: uint64(i), Rows: n})
		}
		if got := compact.Plan(c.policy, in); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestPlanEnds: merging what is planned ends, with few files.
func TestPlanEnds(t *testing.T) {
	for _, closed := range []bool{false, true} {
		testPlanEnds(t, compact.Policy{Files: 4, Rows: 100_000, Closed: closed})
	}
}

func testPlanEnds(t *testing.T, policy compact.Policy) {
	t.Helper()
	var live []compact.Candidate
	var rewritten, total int64
	next := uint64(0)
	for range 1000 {
		live = append(live, compact.Candidate{ID: next, Rows: 100})
		next++
		total += 100
		for ids := compact.Plan(policy, live); ids != nil; ids = compact.Plan(policy, live) {
			merged := compact.Candidate{ID: next}
			next++
			live = slices.DeleteFunc(live, func(c compact.Candidate) bool {
				if slices.Contains(ids, c.ID) {
					merged.Rows += c.Rows
					return true
				}
				return false
			})
			rewritten += merged.Rows
			live = append(live, merged)
		}
	}
	if len(live) > 20 {
		t.Errorf("%d files are left", len(live))
	}
	if rewritten > 8*total {
		t.Errorf("each record was rewritten %.1f times", float64(rewritten)/float64(total))
	}
}

func build(t *testing.T, fs vfs.FS, path string, logs []telemetry.Log) *segment.Reader[telemetry.Log] {
	t.Helper()
	slices.SortFunc(logs, func(a, b telemetry.Log) int { return record.Logs.Compare(&a, &b) })
	w, err := segment.Create(fs, path, segment.Logs, segment.Options{BlockRows: 17, BlockBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for i := range logs {
		if err := w.Add(&logs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	r, err := segment.Open(t.Context(), fs, path, segment.Logs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestMerge(t *testing.T) {
	fs := vfs.NewMem()
	g := storagetest.NewGen(1)
	var all []telemetry.Log
	var readers []*segment.Reader[telemetry.Log]
	for i, n := range []int{40, 1, 77} {
		logs := g.Logs(n).Logs
		all = append(all, logs...)
		readers = append(readers, build(t, fs, string(rune('a'+i)), logs))
	}
	var got []telemetry.Log
	for r, err := range compact.Merge(context.Background(), record.Logs, readers) {
		if err != nil {
			t.Fatal(err)
		}
		if n := len(got); n > 0 && record.Logs.Compare(&got[n-1], r) > 0 {
			t.Fatalf("row %d is out of order", n)
		}
		got = append(got, *r)
	}
	if d := storagetest.DiffLogs(got, all); d != "" {
		t.Error(d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var last error
	for _, err := range compact.Merge(ctx, record.Logs, readers) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("a merge whose context ended: %v", last)
	}
}
