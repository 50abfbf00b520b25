package head_test

import (
	"slices"
	"testing"
	"time"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage/local/head"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

func rowsOf(t *testing.T, runs ...*head.Run[telemetry.Log]) (out []telemetry.Log) {
	t.Helper()
	var p otlp.Picker
	for _, r := range runs {
		for i := range r.Len() {
			var l telemetry.Log
			if err := r.Decode(&p, &l, i); err != nil {
				t.Fatal(err)
			}
			if l.Time != r.Time(i) || l.Stream != r.Stream(i) {
				t.Fatalf("row %d is of another time or stream than it says", i)
			}
			out = append(out, l)
		}
	}
	return out
}

func newRun(t *testing.T, logs []telemetry.Log) *head.Run[telemetry.Log] {
	t.Helper()
	b, err := otlp.DecodeLogs(otlp.AppendLogs(nil, logs))
	if err != nil {
		t.Fatal(err)
	}
	r, err := head.NewRun(record.Logs, b.Raw, b.Logs)
	if err != nil {
		t.Fatal(err)
	}
	if r.Bytes < int64(len(b.Raw)) {
		t.Errorf("a run of %d bytes says it takes %d", len(b.Raw), r.Bytes)
	}
	return r
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
		commit := h.Plan(newRun(t, logs))
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
		if n := len(rowsOf(t, s.runs...)); n != s.rows {
			t.Fatalf("snapshot %d has %d rows now, %d before", i, n, s.rows)
		}
	}
	if d := storagetest.DiffLogs(rowsOf(t, h.Snapshot()...), all); d != "" {
		t.Fatal(d)
	}
	for _, r := range h.Snapshot() {
		rows := rowsOf(t, r)
		if !slices.IsSortedFunc(rows, func(a, b telemetry.Log) int { return int(a.Time - b.Time) }) {
			t.Error("a run is not sorted")
		}
		if r.Min != rows[0].Time || r.Max != rows[len(rows)-1].Time {
			t.Error("a run's bounds are wrong")
		}
		middle := rows[len(rows)/2].Time
		if from := r.From(middle); rows[from].Time != middle || from > 0 && rows[from-1].Time == middle {
			t.Errorf("the first row from %d on is %d", middle, from)
		}
		checkIDs(t, r)
	}
	if n := len(h.Snapshot()); n > 40 {
		t.Errorf("%d runs: small ones were not merged", n)
	}
}

func checkIDs(t *testing.T, r *head.Run[telemetry.Log]) {
	t.Helper()
	rows := rowsOf(t, r)
	for i := 0; i < len(rows); i += 13 {
		for _, id := range correlation.AppendLog(nil, &rows[i]) {
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
	r := newRun(t, logs)
	var n int64
	seen := map[telemetry.StreamID]bool{}
	for _, s := range r.Streams() {
		seen[s.Stream.ID] = true
		n += s.Records
		if s.First > s.Last || s.Bytes <= 0 {
			t.Errorf("%+v", s)
		}
	}
	if n != 200 || len(seen) != len(g.Streams) {
		t.Errorf("%d records in %d streams", n, len(seen))
	}
}

// TestByDay: what a flush writes is every row once, with the hashes of its
// IDs, in the order of a segment.
func TestByDay(t *testing.T) {
	g := storagetest.NewGen(3)
	var runs []*head.Run[telemetry.Log]
	var all, got []telemetry.Log
	for i := range 20 {
		logs := g.Logs(1 + i*7).Logs
		for j := range logs {
			if j%3 == 0 {
				logs[j].Time += int64(j) * int64(time.Hour)
			}
		}
		all = append(all, logs...)
		runs = append(runs, newRun(t, logs))
	}
	for day, rows := range head.ByDay(runs) {
		var before *telemetry.Log
		for r, err := range rows.Rows(len(all)) {
			if err != nil {
				t.Fatal(err)
			}
			if record.DayOf(r.Record.Time) != day || before != nil && record.Logs.Compare(before, r.Record) > 0 {
				t.Fatalf("row of %d on day %s is out of order", r.Record.Time, day)
			}
			if want := correlation.AppendLogHashes(nil, r.Record); !slices.Equal(r.Hashes, want) {
				t.Fatalf("hashes %v, want %v", r.Hashes, want)
			}
			before = r.Record
			got = append(got, *r.Record)
		}
	}
	if d := storagetest.DiffLogs(got, all); d != "" {
		t.Error(d)
	}
}

// TestRowsHold: a row is good while as many others come as were said.
func TestRowsHold(t *testing.T) {
	g := storagetest.NewGen(6)
	var runs []*head.Run[telemetry.Log]
	for range 30 {
		runs = append(runs, newRun(t, g.Logs(100).Logs))
	}
	const hold = 700
	for _, rows := range head.ByDay(runs) {
		var want []telemetry.Log
		for r, err := range rows.Rows(3000) {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, *r.Record)
		}
		var held []*telemetry.Log
		i := 0
		for r, err := range rows.Rows(hold) {
			if err != nil {
				t.Fatal(err)
			}
			if held = append(held, r.Record); len(held) == hold+1 {
				now := []telemetry.Log{*held[0], *held[hold/2], *r.Record}
				if d := storagetest.DiffLogs(now, []telemetry.Log{want[i-hold], want[i-hold+hold/2], want[i]}); d != "" {
					t.Fatalf("row %d: %s", i, d)
				}
				held = held[1:]
			}
			i++
		}
		if i != len(want) {
			t.Errorf("%d rows, want %d", i, len(want))
		}
	}
}

func TestRunRefusesAnotherRequest(t *testing.T) {
	logs := storagetest.NewGen(4).Logs(3).Logs
	if _, err := head.NewRun(record.Logs, otlp.AppendLogs(nil, logs[:2]), logs); err == nil {
		t.Error("three rows of a request that holds two were taken")
	}
}

// TestSpansByDay: a trace's spans stand together, by start, and traces stand in
// the order of their first spans.
func TestSpansByDay(t *testing.T) {
	g := storagetest.NewGen(5)
	var runs []*head.Run[telemetry.Span]
	var all, got []telemetry.Span
	for range 6 {
		spans := g.Spans(90).Spans
		b, err := otlp.DecodeSpans(otlp.AppendSpans(nil, spans))
		if err != nil {
			t.Fatal(err)
		}
		r, err := head.NewRun(record.Spans, b.Raw, b.Spans)
		if err != nil {
			t.Fatal(err)
		}
		all, runs = append(all, spans...), append(runs, r)
	}
	for day, rows := range head.ByDay(runs) {
		seen := map[telemetry.TraceID]bool{}
		var before *telemetry.Span
		first := int64(0)
		for r, err := range rows.Rows(len(all)) {
			if err != nil {
				t.Fatal(err)
			}
			s := r.Record
			switch {
			case record.DayOf(s.Start) != day:
				t.Fatalf("span of %d on day %s", s.Start, day)
			case before != nil && before.TraceID == s.TraceID:
				if s.Start < before.Start {
					t.Fatalf("trace %s: a span at %d behind one at %d", s.TraceID, s.Start, before.Start)
				}
			case seen[s.TraceID]:
				t.Fatalf("the spans of trace %s do not stand together", s.TraceID)
			case s.Start < first:
				t.Fatalf("a trace from %d on behind one from %d on", s.Start, first)
			default:
				first = s.Start
			}
			seen[s.TraceID], before = true, s
			got = append(got, *s)
		}
	}
	if d := storagetest.DiffSpans(got, all); d != "" {
		t.Error(d)
	}
}
