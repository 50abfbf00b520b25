package segment_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/segment"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

func open[T any](t testing.TB, fs vfs.FS, path string, codec *segment.Codec[T]) *segment.Reader[T] {
	t.Helper()
	r, err := segment.Open(t.Context(), fs, path, codec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func unpaced(context.Context, int64) error { return nil }

// pieces writes each list of rows to a segment of its own.
func pieces[T any](t testing.TB, fs vfs.FS, codec *segment.Codec[T], lists ...[]T) (out []*segment.Reader[T]) {
	t.Helper()
	for i, rows := range lists {
		write(t, fs, codec, rows, options())
		name := fmt.Sprint("piece-", i)
		if err := fs.Rename(path, name); err != nil {
			t.Fatal(err)
		}
		out = append(out, open(t, fs, name, codec))
	}
	return out
}

func join[T any](t testing.TB, fs vfs.FS, codec *segment.Codec[T], inputs []*segment.Reader[T], name string) *segment.Reader[T] {
	t.Helper()
	info, err := segment.Join(context.Background(), fs, name, codec, inputs, options(), unpaced)
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, fs, name, codec)
	if r.Info() != info || r.Covers() != options().Covers || !slices.Equal(r.Replaces(), options().Replaces) {
		t.Errorf("info %+v, joined %+v", r.Info(), info)
	}
	r.Verify(func(err error) { t.Error(err) })
	return r
}

// TestJoin joins segments of all sizes, and what was joined again: everything
// is there, and every ID leads to all its rows and to few others.
func TestJoin(t *testing.T) {
	g := storagetest.NewGen(11)
	fs := vfs.NewMem()
	var lists [][]telemetry.Log
	var all []telemetry.Log
	for _, n := range []int{1, 49, 50, 51, 64, 300, 1000, 7, 130} {
		logs := g.Logs(n).Logs
		lists, all = append(lists, logs), append(all, logs...)
	}
	in := pieces(t, fs, segment.Logs, lists...)
	first := join(t, fs, segment.Logs, in[:4], "first")
	// Streams and keys have other numbers in this order.
	r := join(t, fs, segment.Logs, append([]*segment.Reader[telemetry.Log]{in[8], first}, in[4:8]...), "second")
	got, errs := readAll(r, allRows[telemetry.Log]())
	if d := storagetest.DiffLogs(got, all); d != "" || errs != nil {
		t.Fatalf("%s, %v", d, errs)
	}
	var sum segment.StreamStats
	for _, s := range r.Streams() {
		sum.Records += s.Records
		sum.Bytes += s.Bytes
	}
	var want segment.StreamStats
	for _, p := range in {
		for _, s := range p.Streams() {
			want.Records += s.Records
			want.Bytes += s.Bytes
		}
	}
	if sum != want || len(r.Streams()) != len(g.Streams) {
		t.Errorf("streams hold %+v, want %+v, in %d", sum, want, len(r.Streams()))
	}
	looked := 0
	for i := 0; i < len(all); i += 29 {
		for _, id := range correlation.AppendLog(nil, &all[i]) {
			checkID(t, r, all, id.Value)
			looked++
		}
	}
	if looked < 50 {
		t.Errorf("only %d IDs looked up", looked)
	}
}

func allRows[T any]() *record.Query[T] { return &record.Query[T]{Columns: storage.ColAll} }

// checkID compares what the index leaves of a look-up with what carries the ID.
func checkID(t *testing.T, r *segment.Reader[telemetry.Log], all []telemetry.Log, id string) {
	t.Helper()
	q := record.LogQuery(storage.LogQuery{IDs: []string{id}})
	var stats storage.ReadStats
	q.Stats = &stats
	got, errs := readAll(r, q)
	var want []telemetry.Log
	for i := range all {
		if slices.ContainsFunc(correlation.AppendLog(nil, &all[i]), func(x correlation.ID) bool { return x.Value == id }) {
			want = append(want, all[i])
		}
	}
	if d := storagetest.DiffLogs(got, want); d != "" || errs != nil {
		t.Errorf("ID %s: %s, %v", id, d, errs)
	}
	if len(want) < 3 && stats.Rows > 50*5 {
		t.Errorf("ID %s of %d rows: %d rows were read", id, len(want), stats.Rows)
	}
}

func TestJoinSpans(t *testing.T) {
	g := storagetest.NewGen(12)
	fs := vfs.NewMem()
	a, b, c := g.Spans(200).Spans, g.Spans(77).Spans, g.Spans(120).Spans
	r := join(t, fs, segment.Spans, pieces(t, fs, segment.Spans, a, b, c), "joined")
	all := slices.Concat(a, b, c)
	got, errs := readAll(r, allRows[telemetry.Span]())
	if d := storagetest.DiffSpans(got, all); d != "" || errs != nil {
		t.Fatalf("%s, %v", d, errs)
	}
	for i := 0; i < len(all); i += 17 {
		q := record.SpanQuery(storage.SpanQuery{TraceIDs: []telemetry.TraceID{all[i].TraceID}})
		got, errs := readAll(r, q)
		var want []telemetry.Span
		for _, s := range all {
			if s.TraceID == all[i].TraceID {
				want = append(want, s)
			}
		}
		if d := storagetest.DiffSpans(got, want); d != "" || errs != nil {
			t.Errorf("trace %s: %s, %v", all[i].TraceID, d, errs)
		}
	}
}

// TestJoinRefusesDamage flips bytes of an input: whatever the join copies or
// reads, it does not make damage good by a new checksum, and says where it is.
func TestJoinRefusesDamage(t *testing.T) {
	g := storagetest.NewGen(13)
	clean := vfs.NewMem()
	a, b := g.Logs(120).Logs, g.Logs(90).Logs
	pieces(t, clean, segment.Logs, a, b)
	raw := fileOf(t, clean, "piece-1")
	for at := 0; at < len(raw); at += 1 + len(raw)/120 {
		fs := vfs.NewMem()
		putFile(t, fs, "piece-0", fileOf(t, clean, "piece-0"))
		bad := slices.Clone(raw)
		bad[at] ^= 0x20
		putFile(t, fs, "piece-1", bad)
		second, err := segment.Open(t.Context(), fs, "piece-1", segment.Logs)
		if err != nil {
			continue // it does not even open
		}
		in := []*segment.Reader[telemetry.Log]{open(t, fs, "piece-0", segment.Logs), second}
		_, err = segment.Join(context.Background(), fs, "joined", segment.Logs, in, options(), unpaced)
		_ = second.Close()
		var corrupt *segment.CorruptionError
		switch {
		case err == nil:
			r := open(t, fs, "joined", segment.Logs)
			r.Verify(func(err error) { t.Errorf("byte %d: %v", at, err) })
			got, errs := readAll(r, allRows[telemetry.Log]())
			if d := storagetest.DiffLogs(got, slices.Concat(a, b)); d != "" || errs != nil {
				t.Errorf("byte %d: joined to something else: %s, %v", at, d, errs)
			}
		case !errors.As(err, &corrupt) || corrupt.Path != "piece-1":
			t.Errorf("byte %d: %v", at, err)
		default:
			if _, err := fs.Stat("joined"); err == nil {
				t.Errorf("byte %d: a failed join left its file", at)
			}
		}
	}
}

// TestJoinStops with its context, and leaves nothing.
func TestJoinStops(t *testing.T) {
	fs := vfs.NewMem()
	in := pieces(t, fs, segment.Logs, storagetest.NewGen(14).Logs(200).Logs)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := segment.Join(ctx, fs, "joined", segment.Logs, in, options(), func(ctx context.Context, _ int64) error { return ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := fs.Stat("joined"); err == nil {
		t.Error("a stopped join left its file")
	}
}

// TestWhole: segments of few rows are not worth joining, their blocks would
// stay small.
func TestWhole(t *testing.T) {
	g := storagetest.NewGen(15)
	fs := vfs.NewMem()
	for _, c := range []struct {
		sizes []int
		want  bool
	}{
		{[]int{500, 500}, true},
		{[]int{3, 4, 5}, false},
		{[]int{60, 60}, true},
		{[]int{12, 12}, false},
		{[]int{12, 12, 500}, true},
	} {
		var lists [][]telemetry.Log
		for _, n := range c.sizes {
			lists = append(lists, g.Logs(n).Logs)
		}
		if got := segment.Whole(pieces(t, fs, segment.Logs, lists...), options()); got != c.want {
			t.Errorf("segments of %v rows in blocks of 50: %v", c.sizes, got)
		}
	}
}

func fileOf(t testing.TB, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func putFile(t testing.TB, fs vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
