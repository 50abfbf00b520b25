package depot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage/local/object"
)

func testConfig() object.Config {
	c := object.DefaultConfig()
	c.Kind, c.Directory = object.KindDirectory, "/archive"
	c.Backoff, c.MaxBackoff = model.Duration(time.Microsecond), model.Duration(2*time.Microsecond)
	return c
}

func openDepot(t testing.TB, fs vfs.FS, dir string, live ...string) *Depot {
	t.Helper()
	m, err := object.NewMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, k := range live {
		keys[k] = true
	}
	d, err := Open(testConfig(), Deps{FS: fs, Dir: dir, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Metrics: m, Room: func(int64) bool { return true }}, keys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func noPace(context.Context, int64) error { return nil }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}

func TestUploadAndRead(t *testing.T) {
	fs := vfs.NewMem()
	d := openDepot(t, fs, "/data/objects")
	if err := d.Claim(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	data := random(5 << 20) // more than is verified at once
	key := Key(Place{"t", "logs", "2026-01-31", 7}, 99)
	if err := d.Upload(context.Background(), key, bytes.NewReader(data), int64(len(data)), 5<<20-1000, noPace); err != nil {
		t.Fatal(err)
	}
	read := func(d *Depot, tail bool) {
		t.Helper()
		f, err := d.Files(key, int64(len(data)), tail).Open("")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		got := make([]byte, len(data))
		if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
			t.Errorf("with tail %v: not what was uploaded: %v", tail, err)
		}
	}
	read(d, true)
	read(d, false)
	if err := d.VerifyTail(key, int64(len(data))); err != nil {
		t.Error(err)
	}
	d = openDepot(t, fs, "/data/objects", key)
	read(d, true)
	d = openDepot(t, fs, "/data/objects") // it is live no more
	if _, err := d.Files(key, int64(len(data)), true).Open(""); err == nil {
		t.Error("the tail of an object that nobody needs stays")
	}
	if err := d.RestoreTail(t.Context(), key, int64(len(data)), 5<<20-1000); err != nil || d.VerifyTail(key, int64(len(data))) != nil {
		t.Errorf("the tail cannot be restored: %v", err)
	}
	if err := d.Delete(context.Background(), key); err != nil {
		t.Fatal(err)
	}
	if err := d.List(context.Background(), func(i object.Info) error { return errors.New(i.Key) }); err != nil {
		t.Errorf("an object stays: %v", err)
	}
}

// liar has other bytes every time.
type liar struct{ n byte }

func (l *liar) ReadAt(p []byte, _ int64) (int, error) {
	l.n++
	for i := range p {
		p[i] = l.n
	}
	return len(p), nil
}

// TestWhatComesBackDifferent is not taken for moved.
func TestWhatComesBackDifferent(t *testing.T) {
	d := openDepot(t, vfs.NewMem(), "/data/objects")
	if err := d.Claim(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	err := d.Upload(context.Background(), "segments/x", &liar{}, 100, 50, noPace)
	if err == nil || !strings.Contains(err.Error(), "came back with checksum") {
		t.Errorf("%v", err)
	}
}

// TestTwoStores: the second is refused, a copy of the first is noticed.
func TestTwoStores(t *testing.T) {
	fs := vfs.NewMem()
	a := openDepot(t, fs, "/a/objects")
	if err := a.Claim(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	if err := openDepot(t, fs, "/b/objects").Claim(context.Background(), false); !errors.Is(err, object.ErrNotOwner) {
		t.Errorf("another store: %v", err)
	}
	if err := a.Claim(context.Background(), true); err != nil {
		t.Errorf("its own: %v", err)
	}
	again := openDepot(t, fs, "/a/objects")
	if err := again.Claim(context.Background(), true); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if err := a.Claim(context.Background(), true); !errors.Is(err, object.ErrNotOwner) {
		t.Errorf("the process that was there before: %v", err)
	}
	in, err := Inspect(testConfig(), fs, "/b/objects", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Owner(context.Background()); !errors.Is(err, object.ErrNotOwner) {
		t.Errorf("inspection of the wrong place: %v", err)
	}
}

// TestDamagedID: without its ID the store cannot know what is its own.
func TestDamagedID(t *testing.T) {
	fs := vfs.NewMem()
	openDepot(t, fs, "/a/objects")
	if err := writeFile(fs, "/a/objects/ID", "nonsense"); err != nil {
		t.Fatal(err)
	}
	_, err := Open(testConfig(), Deps{FS: fs, Dir: "/a/objects", Now: time.Now}, nil)
	if err == nil || !strings.Contains(err.Error(), "32 hexadecimal digits") {
		t.Errorf("%v", err)
	}
}

func TestInspectorReads(t *testing.T) {
	fs := vfs.NewMem()
	d := openDepot(t, fs, "/a/objects")
	data := random(9 << 20)
	if err := errors.Join(d.Claim(context.Background(), false), d.Upload(context.Background(), "segments/x", bytes.NewReader(data), int64(len(data)), 100, noPace)); err != nil {
		t.Fatal(err)
	}
	in, err := Inspect(testConfig(), fs, "/a/objects", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	sizes, err := in.List(context.Background())
	if err != nil || sizes["segments/x"] != int64(len(data)) {
		t.Errorf("%v, %v", sizes, err)
	}
	f, err := in.Files(context.Background(), "segments/x", int64(len(data))).Open("")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		off := r.Int64N(int64(len(data)))
		p := make([]byte, r.Int64N(100_000))
		n, err := f.ReadAt(p, off)
		if !bytes.Equal(p[:n], data[off:off+int64(n)]) || n < len(p) && !errors.Is(err, io.EOF) {
			t.Fatalf("%d bytes at %d: %d, %v", len(p), off, n, err)
		}
	}
	if path, err := in.VerifyTail("segments/x", int64(len(data))); err != nil {
		t.Error(path, err)
	}
}

func TestKeys(t *testing.T) {
	p := Place{"team a", "traces", "2026-01-31", 42}
	key := Key(p, 1769860800e9)
	if got, ok := ParseKey(key); !ok || got != p {
		t.Errorf("%s is read as %+v", key, got)
	}
	for _, bad := range []string{"", "segments/a/logs/2026-01-31/1.seg", "x/a/logs/2026-01-31/0000000000000001-0000000000000001.seg", key + ".1.tmp", strings.TrimSuffix(key, ".seg")} {
		if p, ok := ParseKey(bad); ok {
			t.Errorf("%q is read as %+v", bad, p)
		}
	}
}
