package segment_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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

const path = "x.seg"

func write[T any](t testing.TB, fs vfs.FS, codec *segment.Codec[T], rows []T, opts segment.Options) segment.Info {
	t.Helper()
	sorted := make([]*T, len(rows))
	for i := range rows {
		sorted[i] = &rows[i]
	}
	slices.SortStableFunc(sorted, codec.Kind.Compare)
	w, err := segment.Create(fs, path, codec, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range sorted {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	info, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func options() segment.Options {
	return segment.Options{BlockRows: 50, BlockBytes: 1 << 20, Covers: segment.Covers{Seq: 7, Offset: 48}, Replaces: []uint64{3, 4}}
}

// readAll returns the rows that can be read, and the errors of the rest.
func readAll[T any](r *segment.Reader[T], q *record.Query[T]) (rows []T, errs []error) {
	parts, _, err := r.Plan(q)
	if err != nil {
		return nil, []error{err}
	}
	for _, p := range parts {
		found, err := r.Read(q, p)
		var got []T
		if err == nil {
			got, err = found.Take(0, found.Len(), q.Columns)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rows = append(rows, got...)
	}
	return rows, errs
}

func all[T any]() *record.Query[T] { return &record.Query[T]{Columns: storage.ColAll} }

func TestRoundTrip(t *testing.T) {
	g := storagetest.NewGen(1)
	fs := vfs.NewMem()
	logs := g.Logs(333).Logs
	{
		opts := options()
		info := write(t, fs, segment.Logs, logs, opts)
		r, err := segment.Open(t.Context(), fs, path, segment.Logs)
		if err != nil {
			t.Fatal(err)
		}
		got, errs := readAll(r, all[telemetry.Log]())
		if d := storagetest.DiffLogs(got, logs); d != "" || errs != nil {
			t.Fatalf("%s, %v", d, errs)
		}
		if r.Info() != info || info.Rows != 333 || r.Covers() != opts.Covers || !slices.Equal(r.Replaces(), opts.Replaces) {
			t.Errorf("info %+v, written %+v, covers %+v, replaces %v", r.Info(), info, r.Covers(), r.Replaces())
		}
		r.Verify(func(err error) { t.Error(err) })
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	spans := g.Spans(400).Spans
	write(t, fs, segment.Spans, spans, options())
	r, err := segment.Open(t.Context(), fs, path, segment.Spans)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	got, errs := readAll(r, all[telemetry.Span]())
	if d := storagetest.DiffSpans(got, spans); d != "" || errs != nil {
		t.Fatalf("%s, %v", d, errs)
	}
	r.Verify(func(err error) { t.Error(err) })
	if _, err := segment.Open(t.Context(), fs, path, segment.Logs); !errors.Is(err, segment.ErrCorrupt) {
		t.Errorf("spans opened as logs: %v", err)
	}
}

// TestIndexNarrows: every ID leads to few blocks and to all its rows.
func TestIndexNarrows(t *testing.T) {
	g := storagetest.NewGen(2)
	fs := vfs.NewMem()
	logs := g.Logs(3000).Logs
	opts := options()
	opts.BlockRows = 100 // units end inside blocks and blocks inside units
	write(t, fs, segment.Logs, logs, opts)
	r, err := segment.Open(t.Context(), fs, path, segment.Logs)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	blocks, ids := 0, 0
	for i := range logs {
		for _, id := range correlation.AppendLog(nil, &logs[i])[:min(1, len(correlation.AppendLog(nil, &logs[i])))] {
			q := record.LogQuery(storage.LogQuery{IDs: []string{id.Value}})
			parts, _, err := r.Plan(q)
			if err != nil {
				t.Fatal(err)
			}
			rows, errs := readAll(r, q)
			if errs != nil || !slices.ContainsFunc(rows, func(l telemetry.Log) bool { return l.Time == logs[i].Time }) {
				t.Fatalf("ID %s: the row at %d is not among %d, %v", id.Value, logs[i].Time, len(rows), errs)
			}
			blocks += len(parts)
			ids++
		}
	}
	if blocks > 2*ids+ids/10 {
		t.Errorf("%d IDs led to %d blocks", ids, blocks)
	}
}

// TestProjection: what is not asked for is not read.
func TestProjection(t *testing.T) {
	g := storagetest.NewGen(3)
	fs := vfs.NewMem()
	write(t, fs, segment.Logs, g.Logs(500).Logs, options())
	r, err := segment.Open(t.Context(), fs, path, segment.Logs)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	bytes := func(c storage.Columns) int64 {
		var stats storage.ReadStats
		rows, errs := readAll(r, &record.Query[telemetry.Log]{Columns: c, Stats: &stats})
		if len(rows) != 500 || errs != nil {
			t.Fatalf("%d rows, %v", len(rows), errs)
		}
		return stats.Bytes
	}
	if some, whole := bytes(storage.ColSeverity), bytes(storage.ColAll); some > whole/2 {
		t.Errorf("times, IDs and severities take %d of %d bytes", some, whole)
	}
}

func fileBytes(t testing.TB, fs vfs.FS) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func fsOf(t testing.TB, b []byte) vfs.FS {
	t.Helper()
	fs := vfs.NewMem()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return fs
}

// TestFlippedBytes damages every byte of a file. Nothing panics, nothing comes
// back changed, what is missing is reported with file and offset, and Verify
// finds it.
func TestFlippedBytes(t *testing.T) {
	g := storagetest.NewGen(4)
	logs := g.Logs(60).Logs
	fs := vfs.NewMem()
	opts := options()
	opts.BlockRows = 20
	write(t, fs, segment.Logs, logs, opts)
	good := fileBytes(t, fs)
	byTime := map[int64]*telemetry.Log{}
	for i := range logs {
		byTime[logs[i].Time] = &logs[i]
	}
	step := 1
	if testing.Short() {
		step = 11
	}
	for i := 0; i < len(good); i += step {
		bad := slices.Clone(good)
		bad[i] ^= byte(1 << (i % 8))
		checkDamaged(t, fmt.Sprintf("byte %d", i), bad, byTime)
	}
	for cut := 0; cut < len(good); cut += 13 {
		checkDamaged(t, fmt.Sprintf("cut at %d", cut), good[:cut], byTime)
	}
}

func checkDamaged(t *testing.T, what string, b []byte, byTime map[int64]*telemetry.Log) {
	t.Helper()
	r, err := segment.Open(t.Context(), fsOf(t, b), path, segment.Logs)
	var bad *segment.CorruptionError
	if err != nil {
		if !errors.As(err, &bad) || bad.Path != path {
			t.Fatalf("%s: open: %v", what, err)
		}
		return
	}
	defer func() { _ = r.Close() }()
	rows, errs := readAll(r, all[telemetry.Log]())
	for i := range rows {
		if want := byTime[rows[i].Time]; want == nil {
			t.Fatalf("%s: a row at %d that was never written", what, rows[i].Time)
		} else if d := storagetest.DiffLog(&rows[i], want); d != "" {
			t.Fatalf("%s: %s", what, d)
		}
	}
	if len(rows) < len(byTime) && errs == nil {
		t.Fatalf("%s: %d rows and no error", what, len(rows))
	}
	for _, err := range errs {
		if !errors.As(err, &bad) {
			t.Fatalf("%s: read: %v", what, err)
		}
	}
	found := 0
	r.Verify(func(error) { found++ })
	if found == 0 {
		t.Fatalf("%s: verify finds nothing", what)
	}
}

// TestAbort: a writer that fails leaves nothing.
func TestAbort(t *testing.T) {
	fs := vfs.NewMem()
	w, err := segment.Create(fs, path, segment.Logs, options())
	if err != nil {
		t.Fatal(err)
	}
	l := storagetest.NewGen(5).Log()
	if err := w.Add(&l); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if _, err := fs.Stat(path); err == nil {
		t.Error("the file is still there")
	}
}

func FuzzOpen(f *testing.F) {
	fs := vfs.NewMem()
	g := storagetest.NewGen(6)
	write(f, fs, segment.Spans, g.Spans(30).Spans, options())
	good := fileBytes(f, fs)
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		b := slices.Clone(good)
		for range 3 {
			b[r.IntN(len(b))] ^= byte(r.IntN(256))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := segment.Open(t.Context(), fsOf(t, b), path, segment.Spans)
		if err != nil {
			return
		}
		defer func() { _ = r.Close() }()
		readAll(r, all[telemetry.Span]())
		r.Verify(func(error) {})
	})
}
