package object_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/internal/guard"
	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/local/object/s3test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bg = context.Background()

// fast makes retries not wait.
func fast(c object.Config) object.Config {
	c.Backoff, c.MaxBackoff = model.Duration(time.Microsecond), model.Duration(time.Millisecond)
	return c
}

func newBucket(t testing.TB, cfg object.Config, fs vfs.FS) *object.Guarded {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	m, err := object.NewMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := object.New(cfg, object.Deps{FS: fs, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Metrics: m})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func put(t testing.TB, b object.Bucket, key, content string) {
	t.Helper()
	if err := b.Put(bg, key, strings.NewReader(content), int64(len(content))); err != nil {
		t.Fatal(err)
	}
}

func list(t testing.TB, b object.Bucket, prefix string) (out []string) {
	t.Helper()
	if err := b.List(bg, prefix, func(i object.Info) error {
		out = append(out, fmt.Sprintf("%s %d", i.Key, i.Size))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// TestBuckets: both kinds do the same.
func TestBuckets(t *testing.T) {
	s3 := s3test.New(t)
	dir := object.DefaultConfig()
	dir.Kind, dir.Directory = object.KindDirectory, "/mnt/archive"
	for name, b := range map[string]object.Bucket{
		"s3": newBucket(t, fast(s3.Config()), vfs.NewMem()), "directory": newBucket(t, fast(dir), vfs.NewMem()),
	} {
		t.Run(name, func(t *testing.T) {
			if err := object.Claim(bg, b, object.Owner{Store: "me", Instance: "1"}, false); err != nil {
				t.Fatal(err)
			}
			testBucket(t, b)
		})
	}
}

func testBucket(t *testing.T, b object.Bucket) {
	put(t, b, "segments/a/1", "0123456789")
	put(t, b, "segments/a/2", "x")
	put(t, b, "segments/b/1", "b")
	put(t, b, "segments/a/2", "other") // replaces
	if got, want := list(t, b, "segments/"), []string{"segments/a/1 10", "segments/a/2 5", "segments/b/1 1"}; !slices.Equal(got, want) {
		t.Errorf("list: %v, want %v", got, want)
	}
	if got := list(t, b, "segments/a"); len(got) != 2 {
		t.Errorf("list of a prefix: %v", got)
	}
	stop := errors.New("stop")
	if err := b.List(bg, "", func(object.Info) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("list that is stopped: %v", err)
	}
	p := make([]byte, 4)
	if err := b.ReadAt(bg, "segments/a/1", p, 3); err != nil || string(p) != "3456" {
		t.Errorf("read: %q, %v", p, err)
	}
	for what, c := range map[string]struct {
		key  string
		off  int64
		want error
	}{
		"half beyond the end": {"segments/a/1", 8, object.ErrShort},
		"beyond the end":      {"segments/a/1", 50, object.ErrShort},
		"no object":           {"segments/a/3", 0, object.ErrNotFound},
	} {
		err := b.ReadAt(bg, c.key, p, c.off)
		if !errors.Is(err, c.want) || errors.Is(err, object.ErrUnavailable) {
			t.Errorf("read %s: %v, want %v", what, err, c.want)
		}
	}
	if got, err := b.Get(bg, "segments/a/1", 3); err != nil || string(got) != "012" {
		t.Errorf("get: %q, %v", got, err)
	}
	for range 2 {
		if err := b.Delete(bg, "segments/a/1"); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if got := list(t, b, "segments/a"); len(got) != 1 {
		t.Errorf("list after a deletion: %v", got)
	}
	big := bytes.Repeat([]byte("clew"), 1<<19)
	if err := b.Put(bg, "big", bytes.NewReader(big), int64(len(big))); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(big))
	if err := b.ReadAt(bg, "big", got, 0); err != nil || !bytes.Equal(got, big) {
		t.Errorf("a big object comes back different: %v", err)
	}
}

// TestWhatIsWrongIsSaid: errors of the configuration name the remedy.
func TestWhatIsWrongIsSaid(t *testing.T) {
	s3 := s3test.New(t)
	for name, c := range map[string]struct {
		set  func(*object.Config)
		want string
	}{
		"no such key":  {func(c *object.Config) { c.S3.AccessKey = "nobody" }, "check s3.access_key"},
		"wrong secret": {func(c *object.Config) { c.S3.SecretKey = "wrong" }, "check s3.access_key, s3.secret_key"},
		"no bucket":    {func(c *object.Config) { c.S3.Bucket = "nothing" }, `there is no bucket "nothing"`},
	} {
		cfg := fast(s3.Config())
		c.set(&cfg)
		before := s3.Requests(http.MethodGet)
		err := newBucket(t, cfg, vfs.NewMem()).ReadAt(bg, "x", make([]byte, 1), 0)
		if !errors.Is(err, object.ErrRefused) || !errors.Is(err, object.ErrUnavailable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if n := s3.Requests(http.MethodGet) - before; n != 1 {
			t.Errorf("%s: asked %d times: another try does not help", name, n)
		}
	}
}

func TestSecretsFromFiles(t *testing.T) {
	s3, fs := s3test.New(t), vfs.NewMem()
	write(t, fs, "/secret", s3test.SecretKey+"\n")
	cfg := fast(s3.Config())
	cfg.S3.SecretKey, cfg.S3.SecretKeyFile = "", "/secret"
	put(t, newBucket(t, cfg, fs), "x", "y")
	write(t, fs, "/ca", "no certificate")
	for file, set := range map[string]func(*object.Config){
		"s3.secret_key_file": func(c *object.Config) { c.S3.SecretKeyFile = "/missing" },
		"s3.ca_file":         func(c *object.Config) { c.S3.CAFile = "/ca" },
	} {
		bad := cfg
		set(&bad)
		if _, err := object.New(bad, object.Deps{FS: fs}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func write(t testing.TB, fs vfs.FS, name, content string) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, content); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRetries: what may pass is tried again, and the outcome is the last one's.
func TestRetries(t *testing.T) {
	for name, fault := range map[string]s3test.Fault{"away": s3test.Away, "busy": s3test.Busy} {
		t.Run(name, func(t *testing.T) {
			s3 := s3test.New(t)
			b := newBucket(t, fast(s3.Config()), vfs.NewMem())
			put(t, b, "x", "content")
			var times atomic.Int64
			s3.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
				if times.Add(1) > 2 {
					return false
				}
				return fault(w, r)
			})
			p := make([]byte, 7)
			if err := b.ReadAt(bg, "x", p, 0); err != nil || string(p) != "content" {
				t.Errorf("%q, %v", p, err)
			}
			s3.SetFault(fault)
			err := b.ReadAt(bg, "x", p, 0)
			if !errors.Is(err, object.ErrUnavailable) || errors.Is(err, object.ErrNotFound) {
				t.Errorf("still %s: %v", name, err)
			}
			if b.Health().Err == nil {
				t.Error("health knows of no error")
			}
		})
	}
}

// TestBreaker: after some failures nothing is asked for a while, then one
// request tries whether it is well again.
func TestBreaker(t *testing.T) {
	s3 := s3test.New(t)
	cfg := fast(s3.Config())
	cfg.BreakerFailures, cfg.Attempts, cfg.BreakerDelay = 3, 1, model.Duration(time.Millisecond)
	b := newBucket(t, cfg, vfs.NewMem())
	put(t, b, "x", "y")
	p := make([]byte, 1)
	s3.SetFault(s3test.Busy)
	for i := range 3 {
		if !b.Up() || b.ReadAt(bg, "x", p, 0) == nil {
			t.Fatalf("request %d: up %v", i, b.Up())
		}
	}
	if b.Health().Breaker == "closed" {
		t.Error("the breaker is closed after 3 failures")
	}
	s3.SetFault(nil)
	for deadline := time.Now().Add(10 * time.Second); ; { // of the library's own clock
		err := b.ReadAt(bg, "x", p, 0)
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "SlowDown") {
			t.Fatalf("while the breaker is open: %v, want the reason", err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the breaker never closed again")
		}
	}
	if h := b.Health(); h.Breaker != "closed" || h.Err != nil {
		t.Errorf("health after recovery: %+v", h)
	}
	// Answers about objects are no failures.
	for range 10 {
		if err := b.ReadAt(bg, "nothing", p, 0); !errors.Is(err, object.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if !b.Up() {
		t.Error("missing objects opened the breaker")
	}
}

// TestBreakerAfterAnAbandonedTrial: a request that its caller gives up shows
// nothing, and closes no breaker.
func TestBreakerAfterAnAbandonedTrial(t *testing.T) {
	s3 := s3test.New(t)
	cfg := fast(s3.Config())
	cfg.BreakerFailures, cfg.Attempts, cfg.BreakerDelay = 1, 1, model.Duration(time.Millisecond)
	b := newBucket(t, cfg, vfs.NewMem())
	p := make([]byte, 1)
	s3.SetFault(s3test.Busy)
	if b.ReadAt(bg, "x", p, 0) == nil || b.Health().Breaker != "open" {
		t.Fatalf("the breaker is %s after a failure", b.Health().Breaker)
	}
	ctx, cancel := context.WithCancel(bg)
	s3.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
		cancel()
		return s3test.Silent(w, r)
	})
	for ctx.Err() == nil { // until the delay of the library's own clock has passed
		if err := b.ReadAt(ctx, "x", p, 0); !errors.Is(err, object.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if b.Health().Breaker != "open" {
		t.Errorf("the breaker is %s after a trial that nobody waited for", b.Health().Breaker)
	}
}

func TestTimeout(t *testing.T) {
	s3 := s3test.New(t)
	cfg := fast(s3.Config())
	cfg.Timeout, cfg.Attempts = model.Duration(20*time.Millisecond), 2
	b := newBucket(t, cfg, vfs.NewMem())
	s3.SetFault(s3test.Silent)
	err := b.ReadAt(bg, "x", make([]byte, 1), 0)
	if !errors.Is(err, object.ErrUnavailable) || !strings.Contains(err.Error(), "no answer within 20") {
		t.Errorf("silence: %v", err)
	}
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if err := b.ReadAt(ctx, "x", make([]byte, 1), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that is gone: %v", err)
	}
	if b.Health().Breaker != "closed" {
		t.Error("a caller that is gone is held against the storage")
	}
}

// TestBrokenAnswer: an answer that ends too early is tried again, unless the
// object is that short.
func TestBrokenAnswer(t *testing.T) {
	s3 := s3test.New(t)
	b := newBucket(t, fast(s3.Config()), vfs.NewMem())
	put(t, b, "x", "0123456789")
	var times atomic.Int64
	s3.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || times.Add(1) > 1 {
			return false
		}
		w.Header().Set("Content-Length", "10")
		w.Header().Set("ETag", `"0"`)
		w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, "01234")
		panic(http.ErrAbortHandler)
	})
	p := make([]byte, 10)
	if err := b.ReadAt(bg, "x", p, 0); err != nil || string(p) != "0123456789" || times.Load() != 2 {
		t.Errorf("%q, %v after %d requests", p, err, times.Load())
	}
}

// TestOwner: a place belongs to one store, and to one process of it.
func TestOwner(t *testing.T) {
	dir := object.DefaultConfig()
	dir.Kind, dir.Directory = object.KindDirectory, "/mnt/archive"
	b := newBucket(t, fast(dir), vfs.NewMem())
	me, copied, other := object.Owner{Store: "a", Instance: "1"}, object.Owner{Store: "a", Instance: "2"}, object.Owner{Store: "b", Instance: "3"}
	if err := object.Claim(bg, b, me, true); !errors.Is(err, object.ErrNotOwner) || !strings.Contains(err.Error(), "check its address") {
		t.Errorf("an empty place, and the store has objects: %v", err)
	}
	for range 2 {
		if err := object.Claim(bg, b, me, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := object.Claim(bg, b, other, false); !errors.Is(err, object.ErrNotOwner) || !strings.Contains(err.Error(), "a prefix, bucket or directory of its own") {
		t.Errorf("another store: %v", err)
	}
	if err := object.Holds(bg, b, me); err != nil {
		t.Error(err)
	}
	if err := object.Claim(bg, b, copied, true); err != nil {
		t.Error(err)
	}
	if err := object.Holds(bg, b, me); !errors.Is(err, object.ErrNotOwner) || !strings.Contains(err.Error(), "copy of this store's directory") {
		t.Errorf("after a copy began: %v", err)
	}
	if err := object.Owned(bg, b, "a"); err != nil {
		t.Error(err)
	}
	if err := object.Owned(bg, b, "b"); !errors.Is(err, object.ErrNotOwner) {
		t.Errorf("owned by another: %v", err)
	}
	put(t, b, object.OwnerKey, "{}")
	if err := object.Claim(bg, b, me, false); !errors.Is(err, object.ErrNotOwner) {
		t.Errorf("a marker that says nothing: %v", err)
	}
}

// TestUnmounted: a directory that is empty all at once is not one whose
// objects are gone.
func TestUnmounted(t *testing.T) {
	fs := vfs.NewMem()
	dir := object.DefaultConfig()
	dir.Kind, dir.Directory = object.KindDirectory, "/mnt/archive"
	b := newBucket(t, fast(dir), fs)
	if err := object.Claim(bg, b, object.Owner{Store: "a"}, false); err != nil {
		t.Fatal(err)
	}
	put(t, b, "x/y", "z")
	if err := fs.RemoveAll("/mnt/archive"); err != nil {
		t.Fatal(err)
	}
	err := b.ReadAt(bg, "x/y", make([]byte, 1), 0)
	if !errors.Is(err, object.ErrUnavailable) || !strings.Contains(err.Error(), "is the file system mounted?") {
		t.Errorf("%v", err)
	}
}

func TestConfig(t *testing.T) {
	good := object.DefaultConfig()
	good.Kind, good.S3.Endpoint, good.S3.Bucket = object.KindS3, "https://s3.example.org", "b"
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	if c := object.DefaultConfig(); c.On() || c.Validate() != nil {
		t.Errorf("the default is on, or wrong: %v", c.Validate())
	}
	for key, set := range map[string]func(*object.Config){
		"kind":                     func(c *object.Config) { c.Kind = "gcs" },
		"directory":                func(c *object.Config) { c.Kind = object.KindDirectory },
		"s3.endpoint":              func(c *object.Config) { c.S3.Endpoint = "s3.example.org:9000" },
		"s3.bucket":                func(c *object.Config) { c.S3.Bucket = "" },
		"s3.prefix":                func(c *object.Config) { c.S3.Prefix = "/x" },
		"s3.access_key":            func(c *object.Config) { c.S3.AccessKey = "x" },
		"s3.secret_key":            func(c *object.Config) { c.S3.AccessKey, c.S3.SecretKey, c.S3.SecretKeyFile = "x", "y", "z" },
		"move_after":               func(c *object.Config) { c.MoveAfter = -1 },
		"cache_bytes":              func(c *object.Config) { c.CacheBytes = -1 },
		"chunk_bytes":              func(c *object.Config) { c.ChunkBytes = 1 },
		"read_ahead_bytes":         func(c *object.Config) { c.ReadAheadBytes = -1 },
		"timeout":                  func(c *object.Config) { c.Timeout = 0 },
		"slowest_bytes_per_second": func(c *object.Config) { c.SlowestBytesPerSecond = 0 },
		"attempts":                 func(c *object.Config) { c.Attempts = 0 },
		"backoff":                  func(c *object.Config) { c.Backoff = 0 },
		"max_backoff":              func(c *object.Config) { c.MaxBackoff = c.Backoff },
		"breaker_failures":         func(c *object.Config) { c.BreakerFailures = 0 },
		"breaker_delay":            func(c *object.Config) { c.BreakerDelay = 0 },
		"requests":                 func(c *object.Config) { c.Requests = 0 },
	} {
		bad := good
		set(&bad)
		if err := bad.Validate(); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestDirectoriesAreDurable puts objects where making a directory durable fails
// now and then: what was put without an error survives a power cut.
func TestDirectoriesAreDurable(t *testing.T) {
	cfg := object.DefaultConfig()
	cfg.Kind, cfg.Directory, cfg.Attempts = object.KindDirectory, "/archive/clew", 1
	for fail := range 12 {
		fs := vfs.NewCrashableMem()
		var n atomic.Int64
		faulty := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileSync && n.Add(1) == int64(fail) {
				return errorfs.ErrInjected
			}
			return nil
		}))
		b := newBucket(t, fast(cfg), faulty)
		var stored []string
		for i := range 4 {
			key := fmt.Sprintf("a/b%d/c", i/2)
			if i == 3 {
				if err := b.Delete(t.Context(), key); err != nil { // and the directory with it
					t.Fatal(err)
				}
			}
			if err := b.Put(t.Context(), key, strings.NewReader("x"), 1); err == nil {
				stored = append(stored, key)
			}
		}
		after := newBucket(t, fast(cfg), fs.CrashClone(vfs.CrashCloneCfg{}))
		for _, key := range stored {
			if err := after.ReadAt(t.Context(), key, make([]byte, 1), 0); err != nil {
				t.Errorf("sync %d fails: %s was stored, and is gone: %v", fail, key, err)
			}
		}
	}
}

// TestBreakerByHand: what an operator opened stays open whatever the storage
// says, nothing is asked of it and why is shown; closed by hand it is asked
// again, also where it had opened by itself.
func TestBreakerByHand(t *testing.T) {
	var asked atomic.Int64
	cfg := fast(object.DefaultConfig())
	cfg.Kind, cfg.Directory = object.KindDirectory, "/bucket"
	cfg.Attempts, cfg.BreakerFailures, cfg.BreakerDelay = 1, 2, model.Duration(time.Hour)
	var broken atomic.Bool
	b := newBucket(t, cfg, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(errorfs.Op) error {
		asked.Add(1)
		if broken.Load() {
			return errorfs.ErrInjected
		}
		return nil
	})))
	put(t, b, "a", "whole")
	var breaker guard.Switch = b
	breaker.Trip("opened by hand: maintenance")
	before := asked.Load()
	_, err := b.Get(bg, "a", 10)
	if !errors.Is(err, object.ErrUnavailable) || !strings.Contains(err.Error(), "maintenance") || asked.Load() != before {
		t.Errorf("tripped: %v, %d operations", err, asked.Load()-before)
	}
	if h := b.Health(); h.Breaker != "open" || h.Err == nil || !strings.Contains(h.Err.Error(), "maintenance") || b.Up() {
		t.Errorf("tripped: %+v", h)
	}
	breaker.Reset()
	if got, err := b.Get(bg, "a", 10); err != nil || string(got) != "whole" {
		t.Errorf("reset: %q, %v", got, err)
	}
	broken.Store(true)
	for range 3 {
		_, _ = b.Get(bg, "a", 10)
	}
	broken.Store(false)
	if _, err := b.Get(bg, "a", 10); err == nil || b.Health().Breaker != "open" {
		t.Errorf("after failures: %v, %+v", err, b.Health())
	}
	breaker.Reset()
	if got, err := b.Get(bg, "a", 10); err != nil || string(got) != "whole" || b.Health().Breaker != "closed" || !b.Up() {
		t.Errorf("reset: %q, %v, %+v", got, err, b.Health())
	}
}
