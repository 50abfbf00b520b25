package head_test

import (
	"slices"
	"testing"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage/local/head"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

func rowsOf(runs []*head.Run[telemetry.Log]) (out []telemetry.Log) {
	for _, r := range runs {
		out = append(out, r.Rows...)
	}
	return out
}

// TestHead inserts batches of all sizes. Snapshots don't change, runs are
// sorted, and every ID leads to its rows.
func TestHead(t *testing.T) {
	g := storagetest.NewGen(1)
	h := head.New(record.Logs)
	var all []telemetry.Log
	type kept struct {
		runs []*head.Run[telemetry.Log]
		rows int
	}
	var snapshots []kept
	for i := range 80 {
		logs := g.Logs(1 + (i*37)%200).Logs
		if i%2 == 0 {
			slices.Reverse(logs)
		}
		before := slices.Clone(logs)
		commit := h.Plan(head.NewRun(record.Logs, logs, 10))
		if h.Rows() != len(all) {
			t.Fatal("a plan changed the head")
		}
		commit()
		if d := storagetest.DiffLogs(logs, before); d != "" {
			t.Fatalf("the batch was changed: %s", d)
		}
		all = append(all, logs...)
		snapshots = append(snapshots, kept{h.Snapshot(), len(all)})
	}
	for i, s := range snapshots {
		if n := len(rowsOf(s.runs)); n != s.rows {
			t.Fatalf("snapshot %d has %d rows now, %d before", i, n, s.rows)
		}
	}
	if d := storagetest.DiffLogs(rowsOf(h.Snapshot()), all); d != "" {
		t.Fatal(d)
	}
	for _, r := range h.Snapshot() {
		if !slices.IsSortedFunc(r.Rows, func(a, b telemetry.Log) int { return int(a.Time - b.Time) }) {
			t.Error("a run is not sorted")
		}
		if r.Min != r.Rows[0].Time || r.Max != r.Rows[len(r.Rows)-1].Time {
			t.Error("a run's bounds are wrong")
		}
		checkIDs(t, r)
	}
	if n := len(h.Snapshot()); n > 40 {
		t.Errorf("%d runs: small ones were not merged", n)
	}
}

func checkIDs(t *testing.T, r *head.Run[telemetry.Log]) {
	t.Helper()
	for i := 0; i < len(r.Rows); i += 13 {
		for _, id := range correlation.AppendLog(nil, &r.Rows[i]) {
			if !slices.Contains(r.Find([]uint64{correlation.Hash(id.Value)}), i) {
				t.Fatalf("ID %s does not lead to row %d", id.Value, i)
			}
		}
	}
	if got := r.Find([]uint64{1, 2, 3}); len(got) != 0 {
		t.Errorf("unknown IDs lead to rows %v", got)
	}
}

func TestStreams(t *testing.T) {
	g := storagetest.NewGen(2)
	logs := g.Logs(200).Logs
	r := head.NewRun(record.Logs, logs, 1)
	var n int64
	for _, s := range r.Streams(record.Logs) {
		n += s.Records
		if s.First > s.Last || s.Bytes <= 0 {
			t.Errorf("%+v", s)
		}
	}
	if n != 200 || len(r.Streams(record.Logs)) != len(g.Streams) {
		t.Errorf("%d records in %d streams", n, len(r.Streams(record.Logs)))
	}
}
