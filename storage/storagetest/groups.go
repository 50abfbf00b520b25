package storagetest

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// oddValues are attributes whose text a store may have in another shape.
var oddValues = []telemetry.Value{
	telemetry.String("plain"), telemetry.String(""), telemetry.Int(7), telemetry.Int(-1 << 62), telemetry.Double(2), telemetry.Double(2.5),
	telemetry.Bool(true), telemetry.Array([]telemetry.Value{telemetry.String("a"), telemetry.String("b")}), telemetry.String("012"),
	telemetry.String(strings.Repeat("long ", 400)), telemetry.Bytes("\x00\x01"), telemetry.String("7"),
	telemetry.Map(telemetry.Attrs{{Key: "k", Value: telemetry.Int(1)}}), {}, telemetry.Double(1e300),
}

// grouped compares the counts of a store that counts in groups with what its
// records come to.
func grouped(t *testing.T, s storage.Store) {
	grouper, ok := s.(storage.LogGrouper)
	if !ok {
		return
	}
	g := NewGen(37)
	var all []telemetry.Log
	for range 3 {
		b := g.Logs(100)
		for i := range b.Logs {
			l := &b.Logs[i]
			l.Attrs = append(l.Attrs, telemetry.Attr{Key: "plain.key", Value: telemetry.String(fmt.Sprint("v", i%3))},
				telemetry.Attr{Key: "odd.key", Value: oddValues[i%len(oddValues)]})
			if i%4 == 0 {
				l.Attrs = append(l.Attrs, telemetry.Attr{Key: "number.key", Value: telemetry.Int(int64(i % 2))})
			}
		}
		b = LogBatch(b.Logs)
		WriteLogs(t, s, Tenant, b)
		all = append(all, b.Logs...)
	}
	is := func(name string) func(string) bool { return func(k string) bool { return k == name } }
	has := func(part string) func(string) bool { return func(k string) bool { return strings.Contains(k, part) } }
	odd := storage.Condition{Key: is("odd.key"), Accept: func(text string) bool { return text == "7" || text == "2" }}
	for name, q := range map[string]storage.LogQuery{
		"all":       {From: Base, To: Base + 400e6},
		"edges":     {From: Base + 1, To: Base + 301e6 + 1},
		"text":      {From: Base, To: Base + 400e6, Text: []string{"request"}},
		"severity":  {From: Base, To: Base + 400e6, MinSeverity: telemetry.SeverityWarn},
		"condition": {From: Base, To: Base + 400e6, Where: []storage.Condition{odd}},
		"IDs":       {From: Base, To: Base + 400e6, IDs: []string{all[0].TraceID.String()}},
		"nothing":   {From: Base - 400e6, To: Base - 300e6},
	} {
		for i, by := range [][]storage.LogText{
			nil, {{Field: storage.FieldSeverityText}}, {{Key: is("plain.key")}, {Key: is("number.key")}}, {{Key: is("odd.key")}},
			{{Field: storage.FieldEventName, Key: is("plain.key")}}, {{Key: has("key")}}, {{Key: is("nobody has it")}},
		} {
			for _, width := range []int64{0, 7e6, 2_500_001} {
				if width > 0 && i%3 > 0 && name != "edges" {
					continue
				}
				q.Tenant, q.Stats = Tenant, &storage.ReadStats{}
				want := groupsOf(all, q, width, by)
				got := map[string]int64{}
				if err := grouper.CountLogGroups(context.Background(), q, width, by, func(g storage.LogGroup, n int64) { addGroup(got, g, q, n) }); err != nil {
					t.Fatalf("%s, %d: %v", name, i, err)
				}
				if !maps.Equal(got, want) || len(q.Stats.Warnings) > 0 {
					t.Errorf("%s in bins of %d, texts %d: %v, want %v; %v", name, width, i, got, want, q.Stats.Warnings)
				}
			}
		}
	}
}

// groupsOf counts records as a LogGrouper does.
func groupsOf(all []telemetry.Log, q storage.LogQuery, width int64, by []storage.LogText) map[string]int64 {
	out := map[string]int64{}
	for i := range all {
		l := &all[i]
		if l.Time < q.From || l.Time >= q.To || len(q.Where) > 0 && !q.Where[0].Holds(l) ||
			len(q.Text) > 0 && !strings.Contains(l.Body.Text(), q.Text[0]) || len(q.IDs) > 0 && l.TraceID.String() != q.IDs[0] {
			continue
		}
		g := storage.LogGroup{Stream: l.Stream, Severity: l.Severity}
		if width > 0 {
			g.Bin = int((l.Time - q.From) / width)
		}
		for _, x := range by {
			g.Texts = append(g.Texts, x.Of(l))
		}
		addGroup(out, g, q, 1)
	}
	return out
}

// addGroup leaves out what the store may leave out.
func addGroup(to map[string]int64, g storage.LogGroup, q storage.LogQuery, n int64) {
	if g.Severity == 0 || g.Severity >= q.MinSeverity {
		to[fmt.Sprintf("%x %d %d %q", g.Stream.ID, g.Bin, g.Severity, g.Texts)] += n
	}
}

// versions holds that the version of a range changes with what is written into
// it, also late, and with nothing else.
func versions(t *testing.T, s storage.Store) {
	v, ok := s.(interface {
		storage.LogVersioner
		storage.SpanVersioner
	})
	if !ok {
		return
	}
	ctx := context.Background()
	g := NewGen(38)
	at := func(from, to int64) [2]storage.Version {
		t.Helper()
		logs, err := v.LogsVersion(ctx, Tenant, from, to)
		if err != nil {
			t.Fatal(err)
		}
		spans, err := v.SpansVersion(ctx, Tenant, from, to)
		if err != nil || logs == (storage.Version{}) || spans == (storage.Version{}) {
			t.Fatal(logs, spans, err)
		}
		return [2]storage.Version{logs, spans}
	}
	write := func(when int64) {
		logs, spans := g.Logs(1).Logs, g.Spans(1).Spans
		logs[0].Time, spans[0].End, spans[0].Start = when, when+1, when
		WriteLogs(t, s, Tenant, LogBatch(logs))
		WriteSpans(t, s, Tenant, SpanBatch(spans))
	}
	const day = int64(86400e9)
	write(Base)
	write(Base + 2*day)
	old, all := at(Base, Base+day), at(Base, 0)
	if again := at(Base, Base+day); again != old {
		t.Error("the version changed though nothing did")
	}
	write(Base + 2*day + 1)
	if now := at(Base, 0); now[0] == all[0] || now[1] == all[1] {
		t.Error("the version stayed though records came")
	}
	write(Base + 1) // late
	if now := at(Base, Base+day); now[0] == old[0] || now[1] == old[1] {
		t.Error("the version stayed though records came late")
	}
}
