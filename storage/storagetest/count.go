package storagetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// counted compares the counts of a store that counts with its records, for
// bins that begin at and between milliseconds.
func counted(t *testing.T, s storage.Store) {
	counter, ok := s.(storage.LogCounter)
	if !ok {
		return
	}
	g := NewGen(29)
	var all []telemetry.Log
	for range 3 {
		b := g.Logs(100)
		for i := range b.Logs {
			if l := &b.Logs[i]; i%3 == 0 {
				l.Time -= l.Time % 1e6 // where bins end
			}
		}
		b = LogBatch(b.Logs)
		WriteLogs(t, s, Tenant, b)
		all = append(all, b.Logs...)
	}
	chosen := func(st *telemetry.Stream) bool { return st.ID != g.Streams[0].ID }
	even := storage.Condition{Field: storage.FieldSeverityText, Accept: func(text string) bool { return text == "INFO" }}
	for i, c := range []struct {
		from, to, width int64
		stream          func(*telemetry.Stream) bool
		text            []string
		where           []storage.Condition
	}{
		{Base, Base + 400e6, 0, nil, nil, nil},
		{Base, Base + 400e6, 7e6, nil, nil, nil},
		{Base + 1, Base + 301e6 + 1, 10e6, nil, nil, nil},
		{Base + 999_999, Base + 200e6, 3e6, chosen, nil, nil},
		{Base + 1, Base + 400e6, 20e6, chosen, []string{"request", "ms"}, nil},
		{Base + 1, Base + 400e6, 20e6, nil, nil, []storage.Condition{even}},
		{Base + 5, Base + 100e6, 2_500_001, nil, nil, nil},
	} {
		got, want := map[string]int64{}, map[string]int64{}
		bin := func(st *telemetry.Stream, n int) string { return fmt.Sprintf("%x/%d", st.ID, n) }
		q := storage.LogQuery{Tenant: Tenant, From: c.from, To: c.to, Stream: c.stream, Text: c.text, Where: c.where, MinSeverity: telemetry.SeverityFatal, Stats: &storage.ReadStats{}}
		if err := counter.CountLogs(context.Background(), q, c.width, func(st *telemetry.Stream, n int, count int64) { got[bin(st, n)] += count }); err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		for j := range all {
			l := &all[j]
			if l.Time < c.from || l.Time >= c.to || c.stream != nil && !c.stream(l.Stream) || len(c.where) > 0 && !c.where[0].Holds(l) ||
				len(c.text) > 0 && !(strings.Contains(l.Body.Text(), c.text[0]) && strings.Contains(l.Body.Text(), c.text[1])) {
				continue
			}
			n := 0
			if c.width > 0 {
				n = int((l.Time - c.from) / c.width)
			}
			want[bin(l.Stream, n)]++
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || len(want) == 0 {
			t.Errorf("case %d: %v, want %v", i, got, want)
		}
		if len(q.Stats.Warnings) > 0 {
			t.Errorf("case %d: the answer is not whole: %v", i, q.Stats.Warnings)
		}
	}
}
