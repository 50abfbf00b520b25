package local

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

var errorName = regexp.MustCompile(`^E[A-Z]+$`)

// TestNothingGoesAroundTheFileSystem: files, clocks and dice come from outside,
// or the crash tests would not see them.
func TestNothingGoesAroundTheFileSystem(t *testing.T) {
	forbidden := []string{"os", "path/filepath", "io/ioutil", "net", "net/http", "math/rand", "math/rand/v2", "golang.org/x/sys/unix"}
	read := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		read++
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			if strings.HasPrefix(filepath.ToSlash(path), "object/") {
				break // the network is what it is for
			}
			if name, _ := strconv.Unquote(imp.Path.Value); slices.Contains(forbidden, name) {
				t.Errorf("%s imports %s", fset.Position(imp.Pos()), name)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			// The default of Deps.Now is the one place.
			if ok && x.Name == "time" && (sel.Sel.Name == "Now" || sel.Sel.Name == "Since") && path != "store.go" {
				t.Errorf("%s: time.%s", fset.Position(n.Pos()), sel.Sel.Name)
			}
			// Names of errors are no calls.
			if ok && x.Name == "syscall" && !errorName.MatchString(sel.Sel.Name) {
				t.Errorf("%s: syscall.%s", fset.Position(n.Pos()), sel.Sel.Name)
			}
			if ok && x.Name == "vfs" && sel.Sel.Name == "Default" && path != "store.go" && path != "check.go" {
				t.Errorf("%s: vfs.Default", fset.Position(n.Pos()))
			}
			return true
		})
		return nil
	})
	if err != nil || read < 30 {
		t.Errorf("%d files, %v", read, err)
	}
}

// faultAt fails one operation.
type faultAt struct {
	at   int64
	err  error
	only errorfs.OpReadWrite
	any  bool
	n    atomic.Int64
	on   atomic.Bool
	hit  atomic.Bool
	what string // the operation that failed
}

// String implements errorfs.Injector.
func (f *faultAt) String() string { return "fault at" }

// MaybeError implements errorfs.Injector.
func (f *faultAt) MaybeError(op errorfs.Op) error {
	if !f.on.Load() || !f.any && op.Kind.ReadOrWrite() != f.only || f.n.Add(1)-1 != f.at {
		return nil
	}
	f.what = fmt.Sprintf("%+v", op)
	f.hit.Store(true)
	return f.err
}

// TestEveryOperationFails fails each operation on the disk of a life of a store
// once, writes with ENOSPC and EIO and reads with EIO: what was acknowledged is
// there in the end, once and equal; reads on the way give nothing wrong, and
// say so where they give less.
func TestEveryOperationFails(t *testing.T) {
	for name, f := range map[string]*faultAt{
		"a full disk":    {err: syscall.ENOSPC, only: errorfs.OpIsWrite},
		"writes break":   {err: syscall.EIO, only: errorfs.OpIsWrite},
		"anything fails": {err: syscall.EIO, any: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step := int64(1)
			if underRace {
				step = 9
			}
			for at := int64(0); ; at += step {
				fault := &faultAt{at: at, err: f.err, only: f.only, any: f.any}
				lifeWithFault(t, fault)
				if t.Failed() {
					return
				}
				if !fault.hit.Load() {
					if at < 50 {
						t.Fatalf("a life has %d operations only", at)
					}
					return
				}
			}
		})
	}
}

// life is a store and what it has acknowledged.
type life struct {
	t     *testing.T
	mem   *vfs.MemFS
	cfg   Config
	clock *testClock
	fault *faultAt
	s     *Store
	acked []telemetry.Log
	maybe map[int64]telemetry.Log // refused: they may come back after a start
}

func lifeWithFault(t *testing.T, fault *faultAt) {
	l := &life{t: t, mem: vfs.NewCrashableMem(), cfg: testConfig(), clock: newClock(), fault: fault, maybe: map[int64]telemetry.Log{}}
	l.cfg.CompactFiles, l.cfg.BlockRows = 2, 10
	fault.on.Store(true)
	l.open()
	g := storagetest.NewGen(1)
	ctx := context.Background()
	for i := range 6 {
		b := g.Logs(12)
		if _, err := l.s.WriteLogs(ctx, tenantA, b); err == nil {
			l.acked = append(l.acked, b.Logs...)
		} else {
			for _, r := range b.Logs {
				l.maybe[r.Time] = r
			}
		}
		if i%2 == 1 {
			_ = l.s.Flush(ctx) // a failure is part of the game
		}
		if i == 4 {
			_ = l.s.Tidy(ctx)
			_ = l.s.Close()
			l.open()
		}
		l.read()
	}
	fault.on.Store(false)
	crashed := l.mem.CrashClone(vfs.CrashCloneCfg{})
	_ = l.s.Close()
	for _, fs := range []*vfs.MemFS{l.mem, crashed} {
		l.mem = fs
		l.open()
		l.readAll()
		mustFlush(l.t, l.s)
		mustTidy(l.t, l.s)
		l.readAll()
		mustClose(l.t, l.s)
		mustCheck(l.t, fs)
	}
}

// open opens the store; the fault may hit that, but not twice.
func (l *life) open() {
	l.t.Helper()
	for try := 0; ; try++ {
		s, err := Open(l.cfg, Deps{FS: errorfs.Wrap(l.mem, l.fault), Now: l.clock.now})
		if err == nil {
			l.s = s
			return
		}
		if try > 0 {
			l.t.Fatalf("open again: %v", err)
		}
	}
}

// read reads while the fault may hit.
func (l *life) read() {
	l.t.Helper()
	var stats storage.ReadStats
	var got []telemetry.Log
	for batch, err := range l.s.Logs(context.Background(), storage.LogQuery{Tenant: tenantA, Stats: &stats}) {
		if err != nil {
			return
		}
		got = append(got, batch...)
	}
	l.compare(got, len(stats.Warnings) > 0)
}

func (l *life) readAll() {
	l.t.Helper()
	l.compare(storagetest.Logs(l.t, l.s, storage.LogQuery{Tenant: tenantA}), false)
}

// compare: nothing wrong, nothing twice, and nothing missing unless that is said.
func (l *life) compare(got []telemetry.Log, lessIsSaid bool) {
	l.t.Helper()
	want := map[int64]telemetry.Log{}
	for _, r := range l.acked {
		want[r.Time] = r
	}
	seen := map[int64]bool{}
	for i := range got {
		w, ok := want[got[i].Time]
		if !ok {
			w, ok = l.maybe[got[i].Time]
		}
		if d := storagetest.DiffLog(&got[i], &w); !ok || d != "" || seen[got[i].Time] {
			l.t.Fatalf("after the fault in %s: the record at %d: known %v, twice %v, %s", l.fault.what, got[i].Time, ok, seen[got[i].Time], d)
		}
		seen[got[i].Time] = true
	}
	for at := range want {
		if !seen[at] && !lessIsSaid {
			l.t.Fatalf("after the fault in %s: the record at %d is missing and nothing says so", l.fault.what, at)
		}
	}
}
