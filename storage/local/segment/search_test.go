package segment_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/segment"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// hidden returns an ID and texts that hold it: alone, in other spellings of
// what stands around it, and inside longer runs.
func hidden(r *rand.Rand) (id string, bodies []string) {
	switch r.IntN(4) {
	case 0:
		id = fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<16), r.IntN(1<<16), r.Int64N(1<<48))
	case 1:
		id = fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
	case 2:
		id = fmt.Sprintf("01CNVEXK%018d", r.Int64N(1e18))
	case 3:
		id = fmt.Sprintf("%016x", r.Uint64())
	}
	for _, form := range []string{"request %s done", "%s", "id=%s", "%%2F%s", "x%sy", "0%s", "%s0", "%sff", "(%s)", "a-%s-b", "_%s", "\x1b[31m%s", `\n%s`, "é%s"} {
		bodies = append(bodies, fmt.Sprintf(form, id))
	}
	return id, bodies
}

// TestTextSearch: an ID is found wherever it stands in a body, and so is every
// other text; what stands only in attributes is not.
func TestTextSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	g := storagetest.NewGen(7)
	for round := range 12 {
		logs := g.Logs(400).Logs
		id, bodies := hidden(r)
		lits := []string{id, id[1:], id[:len(id)-1], "request " + id, id + " done", "don", "0", "zzz", strings.ToUpper(id)}
		for i := range logs {
			switch {
			case r.IntN(20) == 0:
				logs[i].Body = telemetry.String(bodies[r.IntN(len(bodies))])
			case r.IntN(30) == 0:
				logs[i].Body = telemetry.Map(telemetry.Attrs{{Key: "k", Value: telemetry.String(bodies[r.IntN(len(bodies))])}})
			case r.IntN(30) == 0:
				logs[i].Attrs = telemetry.Attrs{{Key: "request_id", Value: telemetry.String(id)}}
			default:
				_, other := hidden(r)
				logs[i].Body = telemetry.String(other[r.IntN(1+round%3)])
			}
		}
		fs := vfs.NewMem()
		write(t, fs, segment.Logs, logs, options())
		rd, err := segment.Open(t.Context(), fs, path, segment.Logs)
		if err != nil {
			t.Fatal(err)
		}
		for _, lit := range lits {
			want := map[int64]int{}
			n := 0
			for i := range logs {
				if strings.Contains(logs[i].Body.Text(), lit) {
					want[logs[i].Time]++
					n++
				}
			}
			q := record.LogQuery(storage.LogQuery{Text: []string{lit}, Columns: storage.ColBody})
			got, errs := readAll(rd, q)
			if len(got) != n || errs != nil {
				t.Fatalf("round %d: %q is in %d records, want %d, %v", round, lit, len(got), n, errs)
			}
			for i := range got {
				if want[got[i].Time]--; want[got[i].Time] < 0 || !strings.Contains(got[i].Body.Text(), lit) {
					t.Fatalf("round %d: %q is not in %q", round, lit, got[i].Body.Text())
				}
			}
		}
		if err := rd.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTextSearchIsNarrow: an ID leads to few blocks.
func TestTextSearchIsNarrow(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 11))
	logs := storagetest.NewGen(8).Logs(2000).Logs
	var ids []string
	for i := range logs {
		id := fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<16), r.IntN(1<<16), r.Int64N(1<<48))
		ids = append(ids, id)
		logs[i].Body = telemetry.String("request " + id + " took " + fmt.Sprint(r.IntN(100)))
	}
	fs := vfs.NewMem()
	opts := options()
	opts.BlockRows = 100
	write(t, fs, segment.Logs, logs, opts)
	rd, err := segment.Open(t.Context(), fs, path, segment.Logs)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rd.Close() }()
	for _, id := range ids {
		parts, _, err := rd.Plan(record.LogQuery(storage.LogQuery{Text: []string{id}}))
		if err != nil || len(parts) < 1 || len(parts) > 2 {
			t.Fatalf("%s: %d blocks, %v", id, len(parts), err)
		}
	}
}

// TestWhere compares conditions on columns with conditions on records.
func TestWhere(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 13))
	logs := storagetest.NewGen(9).Logs(600).Logs
	levels := []string{"", "INFO", "ERROR"}
	for i := range logs {
		logs[i].SeverityText = levels[r.IntN(3)]
		for _, key := range []string{"level", "user.id", "level"} {
			if r.IntN(3) == 0 {
				logs[i].Attrs = append(logs[i].Attrs, telemetry.Attr{Key: key, Value: telemetry.String(levels[r.IntN(3)])})
			}
		}
	}
	fs := vfs.NewMem()
	write(t, fs, segment.Logs, logs, options())
	rd, err := segment.Open(t.Context(), fs, path, segment.Logs)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rd.Close() }()
	is := func(want string) func(string) bool { return func(s string) bool { return s == want } }
	for _, c := range []storage.Condition{
		{Field: storage.FieldSeverityText, Accept: is("ERROR")},
		{Field: storage.FieldSeverityText, Accept: is("")},
		{Field: storage.FieldSeverityText, Key: is("level"), Accept: is("ERROR")},
		{Key: is("level"), Accept: is("")},
		{Key: func(k string) bool { return k == "level" || k == "user.id" }, Accept: is("INFO")},
		{Key: is("nowhere"), Accept: is("x")},
		{Key: is("nowhere"), Accept: is("")},
		{Field: storage.FieldEventName, Accept: is("")},
	} {
		q := record.LogQuery(storage.LogQuery{Where: []storage.Condition{c, {Accept: is("")}}, Columns: storage.ColAll})
		var want []telemetry.Log
		for i := range logs {
			if q.Core(&logs[i]) {
				want = append(want, logs[i])
			}
		}
		got, errs := readAll(rd, q)
		if d := storagetest.DiffLogs(got, want); d != "" || errs != nil {
			t.Errorf("%+v: %s, %v", c, d, errs)
		}
	}
}
