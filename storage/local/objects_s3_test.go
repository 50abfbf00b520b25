package local

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/local/object/s3test"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// awayTest is a store whose segments are objects of a real server.
type awayTest struct {
	*testing.T
	cfg   Config
	fs    *vfs.MemFS
	s3    *s3test.Server
	clock *testClock
	reg   *prometheus.Registry
	s     *Store
	logs  []telemetry.Log
	spans []telemetry.Span
}

func newAwayTest(t *testing.T) *awayTest {
	a := &awayTest{T: t, cfg: testConfig(), fs: vfs.NewMem(), s3: s3test.New(t), clock: newClock()}
	a.cfg.Objects = a.s3.Config()
	a.cfg.Objects.MoveAfter = model.Duration(24 * time.Hour)
	a.cfg.Objects.ChunkBytes, a.cfg.Objects.ReadAheadBytes = 4096, 16384
	a.cfg.Objects.Backoff, a.cfg.Objects.MaxBackoff = model.Duration(time.Microsecond), model.Duration(time.Millisecond)
	a.cfg.Objects.Attempts, a.cfg.Objects.BreakerFailures = 2, 1000
	return a
}

func (a *awayTest) open() {
	a.Helper()
	a.reg = prometheus.NewRegistry()
	var err error
	a.s, err = Open(a.cfg, Deps{FS: a.fs, Now: a.clock.now, Registerer: a.reg, Selectors: testSelectors})
	if err != nil {
		a.Fatal(err)
	}
	s := a.s
	a.Cleanup(func() { _ = s.Close() })
}

func (a *awayTest) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

func (a *awayTest) restart() {
	a.Helper()
	a.must(a.s.Close())
	a.open()
}

// fill writes records of several days, that are over.
func (a *awayTest) fill() {
	a.Helper()
	g := storagetest.NewGen(3)
	g.Spread = int64(20 * time.Minute)
	for range 6 {
		logs, spans := g.Logs(60), g.Spans(60)
		storagetest.WriteLogs(a, a.s, tenantA, logs)
		storagetest.WriteSpans(a, a.s, tenantA, spans)
		a.logs, a.spans = append(a.logs, logs.Logs...), append(a.spans, spans.Spans...)
		a.must(a.s.Flush(context.Background()))
	}
	a.clock.advance(20 * 24 * time.Hour)
}

// moved is fill, with everything in object storage.
func (a *awayTest) moved() {
	a.Helper()
	a.open()
	a.fill()
	a.must(a.s.Tidy(context.Background()))
	if files := localSegments(a, a.fs); len(files) > 0 {
		a.Fatalf("files stay: %v", files)
	}
}

func localSegments(t testing.TB, fs vfs.FS) (out []string) {
	for _, f := range files(t, fs, "/data/segments") {
		if strings.HasSuffix(f, segmentSuffix) {
			out = append(out, f)
		}
	}
	return out
}

func (a *awayTest) keys() []string { return a.s3.Keys(a, "clew/a/segments/") }

// equal asks for everything and compares.
func (a *awayTest) equal() {
	a.Helper()
	if d := storagetest.DiffLogs(storagetest.Logs(a, a.s, storage.LogQuery{Tenant: tenantA}), a.logs); d != "" {
		a.Error(d)
	}
	if d := storagetest.DiffSpans(storagetest.Spans(a, a.s, storage.SpanQuery{Tenant: tenantA}), a.spans); d != "" {
		a.Error(d)
	}
}

func (a *awayTest) check() Report {
	a.Helper()
	r, err := CheckAll(context.Background(), a.cfg.Dir, a.fs, a.cfg.Objects)
	a.must(err)
	return r
}

func TestObjectsHoldEverything(t *testing.T) {
	a := newAwayTest(t)
	a.moved()
	a.equal()
	a.restart()
	a.equal()
	var counted int64
	a.must(a.s.CountLogs(context.Background(), storage.LogQuery{Tenant: tenantA}, 0, func(_ *telemetry.Stream, _ int, n int64) { counted += n }))
	if counted != int64(len(a.logs)) {
		t.Errorf("counted %d of %d", counted, len(a.logs))
	}
	n := len(a.keys())
	if n < 10 {
		t.Fatalf("%d objects of many days and two signals", n)
	}
	for name, want := range map[string]float64{
		"clew_objects_segments": float64(n), "clew_objects_breaker_state": 0, "clew_objects_pending_deletions": 0,
	} {
		if got := sum(t, a.reg, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if h, on := a.s.ObjectStorage(); !on || h.Err != nil || h.Breaker != "closed" {
		t.Errorf("health: %+v, %v", h, on)
	}
	a.must(a.s.Close())
	if r := a.check(); !r.OK() || r.Objects != int64(n) || len(r.Notes) > 0 {
		t.Errorf("check: %+v", r)
	}
	if r, err := Check(a.cfg.Dir, a.fs); err != nil || !r.OK() || r.UnseenObjects != int64(n) {
		t.Errorf("check without object storage: %+v, %v", r, err)
	}
}

func sum(t testing.TB, reg *prometheus.Registry, name string) (total float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				total += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
			return total
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestLookUpFetchesLittle: indexes are here, so that one trace costs a request
// for its block, the second time none, and one that is not there none at all.
func TestLookUpFetchesLittle(t *testing.T) {
	a := newAwayTest(t)
	a.moved()
	a.restart()
	gets := func(id telemetry.TraceID) (found, requests int) {
		before := a.s3.Requests(http.MethodGet)
		found = len(storagetest.Spans(t, a.s, storage.SpanQuery{Tenant: tenantA, TraceIDs: []telemetry.TraceID{id}}))
		return found, a.s3.Requests(http.MethodGet) - before
	}
	if n, requests := gets(telemetry.TraceID{0xff, 1, 2, 3}); n != 0 || requests != 0 {
		t.Errorf("a trace that is not there: %d spans, %d requests", n, requests)
	}
	id := a.spans[0].TraceID
	if n, requests := gets(id); n == 0 || requests == 0 || requests > 2 {
		t.Errorf("a trace: %d spans, %d requests", n, requests)
	}
	if n, requests := gets(id); n == 0 || requests != 0 {
		t.Errorf("the same again: %d spans, %d requests", n, requests)
	}
	a.restart()
	if n, requests := gets(id); n == 0 || requests != 0 {
		t.Errorf("after a restart: %d spans, %d requests", n, requests)
	}
	before := a.s3.Requests(http.MethodGet)
	if list, err := a.s.Streams(context.Background(), tenantA, telemetry.Logs, 0, 0, nil); err != nil || len(list) == 0 || a.s3.Requests(http.MethodGet) != before {
		t.Errorf("streams: %d, %v; they stand in the indexes", len(list), err)
	}
}

// TestAway: without object storage a query answers what it can, and says what
// is missing and why; what comes in is taken.
func TestAway(t *testing.T) {
	for name, fault := range map[string]s3test.Fault{"away": s3test.Away, "busy": s3test.Busy} {
		t.Run(name, func(t *testing.T) {
			a := newAwayTest(t)
			a.moved()
			a.s3.SetFault(fault)
			a.restart()
			g := storagetest.NewGen(9)
			b := g.Logs(40)
			for i := range b.Logs {
				b.Logs[i].Time = a.clock.at.Load() + int64(i)
			}
			b = storagetest.LogBatch(b.Logs)
			storagetest.WriteLogs(t, a.s, tenantA, b)
			a.must(a.s.Flush(context.Background()))
			var stats storage.ReadStats
			got := partial(t, a.s, &stats)
			if d := storagetest.DiffLogs(got, b.Logs); d != "" {
				t.Errorf("what is here is not answered: %s", d)
			}
			days := map[string]bool{}
			for _, w := range stats.Warnings {
				if days[w] || !strings.Contains(w, "are missing: object storage s3://records/clew/a at ") {
					t.Errorf("warning %q", w)
				}
				days[w] = true
			}
			if len(days) == 0 {
				t.Error("the answer does not say that it is partial")
			}
			if sum(t, a.reg, "clew_storage_segments") == 0 || testutil.CollectAndCount(a.s.metrics.corruptions) != 0 {
				t.Error("what is away counts as damaged")
			}
			if h, _ := a.s.ObjectStorage(); h.Err == nil {
				t.Error("health knows nothing")
			}
			a.s3.SetFault(nil)
			a.logs = append(a.logs, b.Logs...)
			a.equal()
		})
	}
}

func partial(t testing.TB, s *Store, stats *storage.ReadStats) (out []telemetry.Log) {
	t.Helper()
	for batch, err := range s.Logs(context.Background(), storage.LogQuery{Tenant: tenantA, Stats: stats}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, batch...)
	}
	return out
}

// TestRefusedStarts: what is wrong with the configuration is said at once.
func TestRefusedStarts(t *testing.T) {
	a := newAwayTest(t)
	a.moved()
	a.must(a.s.Close())
	for name, c := range map[string]struct {
		set  func(*Config)
		want string
	}{
		"wrong secret":  {func(c *Config) { c.Objects.S3.SecretKey = "wrong" }, "check s3.access_key"},
		"no bucket":     {func(c *Config) { c.Objects.S3.Bucket = "nothing" }, "there is no bucket"},
		"other place":   {func(c *Config) { c.Objects.S3.Prefix = "clew/b" }, "it is not where this store's objects are"},
		"none":          {func(c *Config) { c.Objects = object.DefaultConfig() }, "objects.kind is none"},
		"another store": {func(c *Config) { c.Dir = "/other" }, "give each store a prefix"},
	} {
		cfg := a.cfg
		c.set(&cfg)
		s, err := Open(cfg, Deps{FS: a.fs, Now: a.clock.now})
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	a.open()
	a.equal()
}

// TestMovesFail: whatever fails, nothing is lost, nothing is left over, and it
// is tried again.
func TestMovesFail(t *testing.T) {
	for name, fault := range map[string]s3test.Fault{
		"puts": func(w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodPut && s3test.Busy(w, r)
		},
		"reading back": func(w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/segments/") && s3test.Busy(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAwayTest(t)
			a.open()
			a.fill()
			a.s3.SetFault(fault)
			if err := a.s.Tidy(context.Background()); !errors.Is(err, object.ErrUnavailable) {
				t.Errorf("tidy: %v", err)
			}
			a.equal()
			a.restart() // the list of what is left over is durable
			a.s3.SetFault(nil)
			a.must(a.s.Tidy(context.Background()))
			a.equal()
			named := 0
			for _, m := range a.s.manifest.State().Segments {
				if m.Object != "" {
					named++
				}
			}
			if n := len(a.keys()); n != named || named == 0 {
				t.Errorf("%d objects, the manifest names %d", n, named)
			}
			a.must(a.s.Close())
		})
	}
}

func TestRetentionDeletesObjects(t *testing.T) {
	for name, set := range map[string]func(*Retention){
		"by age":  func(r *Retention) { r.Logs, r.Traces = model.Duration(day), model.Duration(day) },
		"by size": func(r *Retention) { r.LogsBytes, r.TracesBytes = 1, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			a := newAwayTest(t)
			a.moved()
			before := len(a.keys())
			a.must(a.s.Close())
			set(&a.cfg.Retention)
			a.open()
			a.s3.SetFault(s3test.Busy)
			if err := a.s.Tidy(context.Background()); err == nil {
				t.Error("objects are deleted from nowhere")
			}
			if len(a.keys()) != before {
				t.Error("objects went through the fault")
			}
			a.restart()
			a.s3.SetFault(nil)
			a.must(a.s.Tidy(context.Background()))
			want := 0
			if name == "by size" {
				want = 2 // the newest of either signal stays
			}
			if n := len(a.keys()); n != want || n != len(a.s.manifest.State().Segments) {
				t.Errorf("%d objects stay of %d, want %d", n, before, want)
			}
			kept := map[string]bool{}
			for _, m := range a.s.manifest.State().Segments {
				kept[m.Object] = true
			}
			if tails, _ := a.fs.List("/data/objects/tails"); len(tails) != len(kept) {
				t.Errorf("%d tails of %d objects", len(tails), len(kept))
			}
			a.must(a.s.Close())
		})
	}
}

// TestDeletionReachesObjects: a person's records leave the bucket, the cache
// and the local indexes.
func TestDeletionReachesObjects(t *testing.T) {
	a := newAwayTest(t)
	a.open()
	g := storagetest.NewGen(5)
	b := g.Logs(200)
	b.Logs[77].Body = telemetry.String("login of " + secret)
	b = storagetest.LogBatch(b.Logs)
	storagetest.WriteLogs(t, a.s, tenantA, b)
	a.must(a.s.Flush(context.Background()))
	a.clock.advance(20 * 24 * time.Hour)
	a.must(a.s.Tidy(context.Background()))
	old := a.keys()
	a.logs = b.Logs
	a.equal() // into the cache
	reading, stop := nextOf(a.s)
	if _, err := a.s.Delete(context.Background(), storage.Deletion{Tenant: tenantA, Signal: telemetry.Logs, Query: secret}); err != nil {
		t.Fatal(err)
	}
	a.must(a.s.Tidy(context.Background()))
	if list, err := a.s.Deletions(context.Background(), tenantA); err != nil || list[0].Done != 0 || list[0].Records != 1 {
		t.Errorf("while a query reads the object: %+v, %v", list, err)
	}
	for reading() {
	}
	stop()
	a.must(a.s.Tidy(context.Background()))
	if list, err := a.s.Deletions(context.Background(), tenantA); err != nil || list[0].Done == 0 {
		t.Errorf("deletion: %+v, %v", list, err)
	}
	for _, key := range a.keys() {
		if slices.Contains(old, key) {
			t.Errorf("%s stays", key)
		}
	}
	if len(a.keys()) != len(old) {
		t.Errorf("%d objects, were %d: what was written anew moves, too", len(a.keys()), len(old))
	}
	a.logs = slices.Delete(a.logs, 77, 78)
	a.equal()
	a.must(a.s.Close())
	if r := a.check(); !r.OK() {
		t.Errorf("check: %+v", r)
	}
}

// nextOf begins to read all logs; the function it returns goes on.
func nextOf(s *Store) (func() bool, func()) {
	next, stop := iter.Pull2(s.Logs(context.Background(), storage.LogQuery{Tenant: tenantA}))
	next()
	return func() bool { _, _, ok := next(); return ok }, stop
}

// TestDamagedObjects: what is missing, short or changed in the bucket is named,
// and the rest is answered.
func TestDamagedObjects(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"missing":   func([]byte) []byte { return nil },
		"truncated": func(b []byte) []byte { return b[:40] },
		"corrupted": func(b []byte) []byte { b[40] ^= 1; return b },
	} {
		t.Run(name, func(t *testing.T) {
			a := newAwayTest(t)
			a.moved()
			a.must(a.s.Close())
			key := ""
			for _, k := range a.keys() {
				if strings.Contains(k, "/logs/") {
					key = k
					break
				}
			}
			a.s3.Change(t, key, change)
			r := a.check()
			if len(r.Problems) == 0 || !strings.Contains(r.Problems[0].File, strings.TrimPrefix(key, "clew/a/")) {
				t.Errorf("check: %v", r.Problems)
			}
			a.open()
			var stats storage.ReadStats
			got := partial(t, a.s, &stats)
			if len(got) == len(a.logs) || len(got) == 0 || len(stats.Warnings) == 0 || !strings.Contains(stats.Warnings[0], strings.TrimPrefix(key, "clew/a/")) {
				t.Errorf("%d of %d records, warnings %v", len(got), len(a.logs), stats.Warnings)
			}
			if sum(t, a.reg, "clew_storage_corruptions_total") == 0 {
				t.Error("the damage is not counted")
			}
			a.must(a.s.Close())
		})
	}
}

// TestDamagedCopies: what is wrong with local copies costs requests alone.
func TestDamagedCopies(t *testing.T) {
	a := newAwayTest(t)
	a.moved()
	a.equal()
	for _, dir := range []string{"/data/objects/tails", "/data/objects/cache"} {
		for _, f := range files(t, a.fs, dir) {
			b := readFile(t, a.fs, f)
			for at := len(b) / 8; at < len(b); at += max(len(b)/8, 1) {
				b[at] ^= 0x40
			}
			writeFile(t, a.fs, f, b)
		}
	}
	a.equal()
	a.restart()
	a.equal()
	for _, f := range files(t, a.fs, "/data/objects/tails") {
		a.must(a.fs.Remove(f))
	}
	a.restart()
	a.equal()
	if testutil.CollectAndCount(a.s.metrics.corruptions) != 0 {
		t.Error("the objects count as damaged")
	}
	a.must(a.s.Close())
	if r := a.check(); !r.OK() {
		t.Errorf("check after the repair: %v", r.Problems)
	}
}

// TestLostManifest: without it objects are found by a list.
func TestLostManifest(t *testing.T) {
	a := newAwayTest(t)
	a.moved()
	a.must(a.s.Close())
	for _, f := range files(t, a.fs, "/data/manifest") {
		writeFile(t, a.fs, f, []byte("nonsense"))
	}
	a.s3.SetFault(s3test.Away)
	if s, err := Open(a.cfg, Deps{FS: a.fs, Now: a.clock.now}); err == nil || !strings.Contains(err.Error(), "may be in object storage") {
		t.Errorf("without object storage: %v", err)
		if err == nil {
			_ = s.Close()
		}
	}
	a.s3.SetFault(nil)
	a.open()
	a.equal()
	a.restart()
	a.equal()
}

// TestLostEdit: the edit that made a segment an object is lost, its file is
// gone, and the object is on the list of those to delete.
func TestLostEdit(t *testing.T) {
	a := newAwayTest(t)
	a.moved()
	edit := manifest.Edit{}
	for _, m := range a.s.manifest.State().Segments {
		edit.Doom = append(edit.Doom, m.Object)
		m.Object = ""
		edit.Add = append(edit.Add, m)
	}
	a.must(a.s.manifest.Apply(edit))
	a.restart()
	a.equal()
	a.must(a.s.Tidy(context.Background()))
	a.equal()
}

// TestInterruptedAtItsEnd: a file that stays of a segment that is an object is
// removed.
func TestInterruptedAtItsEnd(t *testing.T) {
	a := newAwayTest(t)
	a.moved()
	var path string
	for _, m := range a.s.manifest.State().Segments {
		m.Object = ""
		path = a.s.paths.segment(&m)
		break
	}
	a.must(a.fs.MkdirAll(a.fs.PathDir(path), 0o755))
	writeFile(t, a.fs, path, []byte("whatever it holds"))
	a.restart()
	if left := localSegments(t, a.fs); len(left) > 0 {
		t.Errorf("%v stays", left)
	}
	a.equal()
}

// TestLateRecords of days that moved are merged there when they are many.
func TestLateRecords(t *testing.T) {
	a := newAwayTest(t)
	a.open()
	a.clock.advance(20 * 24 * time.Hour)
	g := storagetest.NewGen(4)
	for i := range 12 {
		b := g.Logs(20)
		storagetest.WriteLogs(t, a.s, tenantA, b)
		a.logs = append(a.logs, b.Logs...)
		a.must(a.s.Flush(context.Background()))
		a.must(a.s.Tidy(context.Background()))
		if n := len(a.keys()); n > 2*a.cfg.CompactFiles {
			t.Errorf("%d objects after %d flushes of one day", n, i+1)
		}
	}
	a.must(a.s.Tidy(context.Background()))
	a.equal()
	a.must(a.s.Close())
	if r := a.check(); !r.OK() || len(r.Notes) > 0 {
		t.Errorf("check: %+v", r)
	}
}

// TestCheckNamesStrangers: an object that nothing names is told, not removed.
func TestCheckNamesStrangers(t *testing.T) {
	a := newAwayTest(t)
	a.moved()
	a.must(a.s.Close())
	key := a.keys()[0]
	var copied []byte
	a.s3.Change(t, key, func(b []byte) []byte { copied = bytes.Clone(b); return b })
	stranger := strings.Replace(key, ".seg", "0.seg", 1)
	a.s3.Add(t, stranger, copied)
	if r := a.check(); !r.OK() || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "is in no manifest") {
		t.Errorf("check: %+v", r)
	}
}

// TestBoundedCache: whatever is read, the cache stays within its bound.
func TestBoundedCache(t *testing.T) {
	a := newAwayTest(t)
	a.cfg.Objects.CacheBytes = 9000
	a.moved()
	for range 3 {
		a.equal()
		var size int64
		for _, f := range files(t, a.fs, "/data/objects/cache") {
			size += int64(len(readFile(t, a.fs, f)))
		}
		if size > 9000 || size == 0 {
			t.Errorf("the cache has %d bytes, the bound is 9000", size)
		}
	}
	a.must(a.s.Close())
}

// TestSlowStorageHoldsNothingUp: while an upload hangs, records are taken in,
// flushed and merged.
func TestSlowStorageHoldsNothingUp(t *testing.T) {
	a := newAwayTest(t)
	a.open()
	a.fill()
	began, goOn := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	a.s3.SetFault(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/segments/") && once.CompareAndSwap(false, true) {
			close(began)
			<-goOn
		}
		return false
	})
	a.must(a.s.tidy(context.Background()))
	done := make(chan error)
	go func() { done <- a.s.moveObjects(context.Background()) }()
	<-began
	b := storagetest.NewGen(8).Logs(50)
	storagetest.WriteLogs(t, a.s, tenantA, b)
	a.logs = append(a.logs, b.Logs...)
	a.must(a.s.Flush(context.Background()))
	a.must(a.s.tidy(context.Background()))
	a.equal()
	close(goOn)
	a.must(<-done)
	a.equal()
}

// TestMergedWhileUploading: an object whose segment is gone when it is there
// is deleted again.
func TestMergedWhileUploading(t *testing.T) {
	a := newAwayTest(t)
	a.open()
	a.fill()
	a.must(a.s.tidy(context.Background()))
	var once atomic.Bool
	a.s3.SetFault(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/segments/") && once.CompareAndSwap(false, true) {
			for _, p := range partitions(a.s, a.s.logs) {
				if err := dropSegments(context.Background(), a.s, a.s.logs, p, p.list, tooOld); err != nil {
					t.Error(err)
				}
				releaseAll([]*partition[telemetry.Log]{p})
			}
		}
		return false
	})
	a.must(a.s.moveObjects(context.Background()))
	a.must(a.s.moveObjects(context.Background()))
	for _, k := range a.keys() {
		if strings.Contains(k, "/logs/") {
			t.Errorf("%s stays, though its segment was dropped", k)
		}
	}
	a.logs = nil
	a.equal()
}
