package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"

	"github.com/clewhq/clew/storage"
)

func openMetadataTest(t *testing.T, dir string, limit int) *metadataLog {
	t.Helper()
	m, err := openMetadata(dir, limit, (*os.File).Sync, promslog.NewNopLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.close() })
	return m
}

func counter(help string) metadata.Metadata {
	return metadata.Metadata{Type: model.MetricTypeCounter, Unit: "bytes", Help: help}
}

func TestMetadataLastOneCounts(t *testing.T) {
	dir := t.TempDir()
	m := openMetadataTest(t, dir, 10)
	for _, help := range []string{"old", "new", "new"} {
		if err := m.write(map[string]metadata.Metadata{"a": counter(help), "b": counter("B")}); err != nil {
			t.Fatal(err)
		}
	}
	if m.records != 3 {
		t.Errorf("what does not change is not written: want 3 records, got %d", m.records)
	}
	want := map[string]metadata.Metadata{"a": counter("new"), "b": counter("B")}
	again := openMetadataTest(t, dir, 10)
	if d := cmp.Diff(want, again.lookup("")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]metadata.Metadata{"b": counter("B")}, again.lookup("b")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := again.lookup("c"); got == nil || len(got) != 0 {
		t.Errorf("an unknown family: want an empty map, got %v", got)
	}
}

func TestMetadataIsBounded(t *testing.T) {
	m := openMetadataTest(t, t.TempDir(), 2)
	for i := range 5 {
		name := fmt.Sprintf("f%d", i)
		if want := i < 2; m.changed(name, counter("")) != want {
			t.Errorf("family %d: want changed = %t", i, want)
		}
		if err := m.write(map[string]metadata.Metadata{name: counter("")}); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(m.lookup("")); got != 2 {
		t.Errorf("want 2 families, got %d", got)
	}
}

func TestMetadataFileDoesNotGrowForever(t *testing.T) {
	dir := t.TempDir()
	m := openMetadataTest(t, dir, 10)
	for i := range 3 * rewriteSlack {
		if err := m.write(map[string]metadata.Metadata{"flapping": counter(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if m.records > rewriteSlack+2 {
		t.Errorf("want the log rewritten, it has %d records of 1 family", m.records)
	}
	if got := openMetadataTest(t, dir, 10).lookup("")["flapping"]; got != counter(fmt.Sprint(3*rewriteSlack-1)) {
		t.Errorf("got %+v", got)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*tmp*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files left: %v, %v", left, err)
	}
}

// Whatever the length at which a crash cut the file, what was written before
// comes back and the log can be written on.
func TestMetadataTornTail(t *testing.T) {
	whole := append([]byte(metadataMagic), metadataVersion)
	whole = appendMetadata(whole, "first", counter("1"))
	cut := len(whole)
	whole = appendMetadata(whole, "second", counter("2"))
	for n := range len(whole) {
		dir := t.TempDir()
		path := filepath.Join(dir, metadataFile)
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		m := openMetadataTest(t, dir, 10)
		if _, ok := m.lookup("")["first"]; ok != (n >= cut) {
			t.Errorf("cut at %d: first record there: %t", n, ok)
		}
		if err := m.write(map[string]metadata.Metadata{"third": counter("3")}); err != nil {
			t.Fatal(err)
		}
		if got := openMetadataTest(t, dir, 10).lookup("third"); len(got) != 1 {
			t.Errorf("cut at %d: what was written afterwards is lost", n)
		}
	}
}

func TestMetadataForeignFiles(t *testing.T) {
	for content, want := range map[string]string{
		"something else entirely":         "want a file that starts with",
		metadataMagic + "\x07" + "future": "want version 1, got 7",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, metadataFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := openMetadata(dir, 10, (*os.File).Sync, promslog.NewNopLogger())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want an error with %q, got %v", content, want, err)
		}
	}
}

func TestMetadataAfterAFailedWrite(t *testing.T) {
	dir := t.TempDir()
	m := openMetadataTest(t, dir, 10)
	if err := m.file.Close(); err != nil { // every write fails from here
		t.Fatal(err)
	}
	if err := m.write(map[string]metadata.Metadata{"a": counter("A")}); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("want the write's error, got %v", err)
	}
	if err := m.write(map[string]metadata.Metadata{"b": counter("B")}); err != nil {
		t.Fatalf("want the next write to replace the file, got %v", err)
	}
	if got := openMetadataTest(t, dir, 10).lookup(""); len(got) != 2 {
		t.Errorf("want both families, got %v", got)
	}
}

func TestFamilyOf(t *testing.T) {
	tests := []struct {
		series string
		typ    model.MetricType
		want   string
	}{
		{"latency_bucket", model.MetricTypeHistogram, "latency"},
		{"latency_sum", model.MetricTypeSummary, "latency"},
		{"latency_bucket", model.MetricTypeSummary, "latency_bucket"},
		{"requests_total", model.MetricTypeCounter, "requests_total"},
		{"row_count", model.MetricTypeGauge, "row_count"},
		{"_sum", model.MetricTypeHistogram, "_sum"},
	}
	for _, tc := range tests {
		if got := storage.FamilyOf(tc.series, tc.typ); got != tc.want {
			t.Errorf("%s %s: want %s, got %s", tc.typ, tc.series, tc.want, got)
		}
	}
}

func TestUpdateMetadataOfAnAppender(t *testing.T) {
	s := openTest(t, testConfig(t.TempDir()), Deps{})
	tm := tenantOf(t, s, "x")
	app := tm.Appender(context.Background())
	ls := labels.FromStrings(model.MetricNameLabel, "latency_bucket", "le", "1")
	if _, err := app.UpdateMetadata(0, ls, metadata.Metadata{Type: model.MetricTypeHistogram, Help: "Latency."}); err != nil {
		t.Fatal(err)
	}
	if got := tm.Metadata(""); len(got) != 0 {
		t.Errorf("visible before the commit: %v", got)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := tm.Metadata("latency")["latency"].Help; got != "Latency." {
		t.Errorf("got %q", got)
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add("family", "counter", "bytes", "Help.", []byte{1, 2, 3})
	f.Add("", "", "", "", []byte{})
	f.Add("\x00\xff", "x", "", "é", []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, family, typ, unit, help string, junk []byte) {
		if len(family)+len(typ)+len(unit)+len(help) > maxMetadataPayload/2 {
			return
		}
		md := metadata.Metadata{Type: model.MetricType(typ), Unit: unit, Help: help}
		enc := appendMetadata(nil, family, md)
		name, got, n, err := decodeMetadata(append(bytes.Clone(enc), junk...))
		if err != nil || name != family || got != md || n != len(enc) {
			t.Fatalf("round trip: %q %+v %d %v", name, got, n, err)
		}
		if name, _, n, err := decodeMetadata(junk); err == nil && (n > len(junk) || n == 0) {
			t.Fatalf("read %q and %d bytes of %d", name, n, len(junk))
		}
	})
}
