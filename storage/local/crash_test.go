package local

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

var (
	crashSeed  = flag.Uint64("crash.seed", 0, "run the crash test with this seed only")
	crashLog   = flag.Bool("crash.log", false, "log what happens")
	crashSeeds = flag.Uint64("crash.seeds", 600, "how many seeds the crash test runs")
	crashFirst = flag.Uint64("crash.first", 1, "the first of them")
	// underRace is set where the race detector watches.
	underRace bool
)

// crashWorkers run seeds side by side.
const crashWorkers = 4

// TestCrash runs random operations on a file system that loses what was not
// synced, at random points and with random faults, and compares the store with
// what it acknowledged: all of that is there, once and equal; a batch that
// failed is there whole, or not at all.
func TestCrash(t *testing.T) {
	if *crashSeed != 0 {
		newCrashTest(t, *crashSeed).run()
		return
	}
	n := *crashSeeds
	if testing.Short() || underRace {
		n /= 3
	}
	for w := range uint64(crashWorkers) {
		t.Run(fmt.Sprint(w), func(t *testing.T) {
			t.Parallel()
			for i := w; i < n && !t.Failed(); i += crashWorkers {
				newCrashTest(t, *crashFirst+i).run()
			}
		})
	}
}

// outcome is what is known of a batch.
type outcome int

const (
	never outcome = iota // not there, and will not be
	maybe                // failed or under way when the power went
	acked
)

type crashBatch struct {
	logs    *telemetry.LogBatch
	spans   *telemetry.SpanBatch
	tenant  string
	outcome outcome
	deleted bool
}

type crashTest struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand
	gen  *storagetest.Gen
	cfg  Config

	fs *vfs.MemFS
	s  *Store

	mu      sync.Mutex
	dice    *rand.Rand // for the faults; r is the steps'
	now     time.Time
	faults  float64 // probability that an operation that writes fails
	fault   error
	fuse    int // operations until the power goes, -1 for never
	clone   *vfs.MemFS
	batches []*crashBatch
	// before are the outcomes when the power went.
	before []outcome
	trace  []string
	log    *slog.Logger
}

func newCrashTest(t *testing.T, seed uint64) *crashTest {
	c := &crashTest{
		t: t, seed: seed, dice: rand.New(rand.NewPCG(seed, 3)), r: rand.New(rand.NewPCG(seed, 1)), gen: storagetest.NewGen(seed),
		fs: vfs.NewCrashableMem(), fuse: -1, now: time.Unix(0, storagetest.Base),
	}
	if *crashLog {
		c.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	c.cfg = testConfig()
	c.cfg.BlockRows = 1 + c.r.IntN(40)
	c.cfg.CompactFiles = 2 + c.r.IntN(3)
	c.cfg.WALFileBytes = int64(500 + c.r.IntN(20000))
	c.cfg.WALGroupBytes = int64(100 + c.r.IntN(5000))
	c.cfg.DedupWindow = model.Duration(time.Hour)
	if c.r.IntN(2) == 0 {
		c.cfg.FlushBytes = int64(1000 + c.r.IntN(100_000)) // replay flushes on its way
	}
	if c.r.IntN(4) == 0 {
		c.gen.Spread = 1800e9 // many partitions
	}
	if seed%3 == 0 {
		c.cfg.Objects = directoryConfig()
		c.now = c.now.Add(20 * 24 * time.Hour) // days are over, so that they can move
	}
	return c
}

func (c *crashTest) fatalf(format string, args ...any) {
	c.t.Helper()
	c.t.Fatalf("seed %d (go test ./storage/local -run TestCrash -crash.seed %d): %s\nsteps: %v",
		c.seed, c.seed, fmt.Sprintf(format, args...), c.trace)
}

func (c *crashTest) clock() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Microsecond)
	return c.now
}

// MaybeError is called before every operation on the file system: it lets the
// power go, or the operation fail.
func (c *crashTest) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fuse == 0 && c.clone == nil {
		c.clone = powerCut(c.t, c.fs, c.dice.IntN(101), rand.New(rand.NewPCG(c.seed, 2)))
		for _, b := range c.batches {
			c.before = append(c.before, b.outcome)
		}
	}
	c.fuse--
	if c.dice.Float64() < c.faults {
		return c.fault
	}
	return nil
}

func (c *crashTest) String() string { return "crash test" }

func (c *crashTest) open() {
	for try := 0; ; try++ {
		s, err := Open(c.cfg, Deps{FS: errorfs.Wrap(c.fs, c), Now: c.clock, Logger: c.log, Selectors: testSelectors})
		if err == nil {
			c.s = s
			return
		}
		if c.faults == 0 || try > 100 {
			c.fatalf("open: %v", err)
		}
		c.setFaults(c.faults/2, c.fault)
		if try > 10 {
			c.setFaults(0, nil)
		}
	}
}

func (c *crashTest) setFaults(p float64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults, c.fault = p, err
}

func (c *crashTest) run() {
	c.open()
	for range 8 + c.r.IntN(25) {
		c.step()
	}
	c.restart(c.r.IntN(2) == 0)
	c.verify()
	if err := c.s.Close(); err != nil {
		c.fatalf("close: %v", err)
	}
	report, err := CheckAll(context.Background(), c.cfg.Dir, c.fs, c.cfg.Objects)
	if err != nil || !report.OK() {
		c.fatalf("check: %v, %v", err, report.Problems)
	}
}

func (c *crashTest) step() {
	kind := c.r.IntN(21)
	if c.log != nil {
		c.log.Info("step", "kind", kind, "faults", c.faults, "fault", c.fault)
	}
	c.trace = append(c.trace, fmt.Sprint(kind))
	switch {
	case kind < 8:
		c.writeSome()
	case kind < 11:
		_ = c.s.Flush(context.Background()) // its failures are part of the game
	case kind == 11:
		_ = c.s.Tidy(context.Background())
	case kind == 12:
		c.retry()
	case kind == 13:
		c.restart(false)
	case kind < 16:
		c.restart(true)
	case kind == 16:
		c.setFaults(0.3*c.r.Float64(), []error{syscall.ENOSPC, errorfs.ErrInjected}[c.r.IntN(2)])
	case kind == 17:
		c.setFaults(0, nil)
	case kind == 18:
		c.verify()
	case kind == 19:
		c.delete()
	default:
		c.powerCut()
	}
}

// writeSome writes a few batches, at the same time.
func (c *crashTest) writeSome() {
	var list []*crashBatch
	for range 1 + c.r.IntN(3) {
		b := &crashBatch{tenant: fmt.Sprint("t", c.r.IntN(2))}
		if c.r.IntN(2) == 0 {
			b.logs = c.gen.Logs(1 + c.r.IntN(15))
		} else {
			b.spans = c.gen.Spans(1 + c.r.IntN(15))
		}
		list = append(list, b)
	}
	c.mu.Lock()
	c.batches = append(c.batches, list...)
	c.mu.Unlock()
	c.send(list)
}

func (c *crashTest) send(list []*crashBatch) {
	var wg sync.WaitGroup
	for _, b := range list {
		wg.Go(func() {
			c.mu.Lock()
			if b.outcome == never {
				b.outcome = maybe
			}
			c.mu.Unlock()
			var err error
			if b.logs != nil {
				_, err = c.s.WriteLogs(context.Background(), b.tenant, b.logs)
			} else {
				_, err = c.s.WriteSpans(context.Background(), b.tenant, b.spans)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.log != nil {
				c.log.Info("sent", "tenant", b.tenant, "logs", b.logs != nil, "err", err, "first", b.first())
			}
			switch {
			case err == nil:
				b.outcome = acked
			case c.faults == 0:
				c.t.Errorf("seed %d: write without faults: %v", c.seed, err)
			case errors.Is(c.fault, syscall.ENOSPC) && !errors.Is(err, storage.ErrDiskFull):
				c.t.Errorf("seed %d: a full disk refuses with %v", c.seed, err)
			}
		})
	}
	wg.Wait()
}

// delete deletes what was acknowledged of a batch, whose records are alone in
// their time; from then on it must not come back.
func (c *crashTest) delete() {
	if len(c.batches) == 0 {
		return
	}
	c.setFaults(0, nil)
	b := c.batches[c.r.IntN(len(c.batches))]
	d := storage.Deletion{Tenant: b.tenant, Signal: telemetry.Traces, Query: "service-"}
	if b.logs != nil {
		d.Signal = telemetry.Logs
	}
	times := b.times()
	d.From, d.To = slices.Min(times), slices.Max(times)+1
	if _, err := c.s.Delete(context.Background(), d); err != nil {
		c.fatalf("delete: %v", err)
	}
	if err := c.s.Tidy(context.Background()); err != nil {
		c.fatalf("tidy with a deletion: %v", err)
	}
	list, err := c.s.Deletions(context.Background(), b.tenant)
	if err != nil || list[len(list)-1].Done == 0 {
		c.fatalf("deletion: %v, %+v", err, list)
	}
	// What was refused is in no file any more, either.
	b.deleted, b.outcome = true, never
}

// retry sends batches again, of any outcome. What was deleted would be known
// as a duplicate for a while, and then come back.
func (c *crashTest) retry() {
	var list []*crashBatch
	for _, b := range c.batches {
		if c.r.IntN(3) == 0 && !b.deleted {
			list = append(list, b)
		}
	}
	c.send(list)
}

// powerCut lets the power go within the next operations, whatever they are.
func (c *crashTest) powerCut() {
	c.mu.Lock()
	c.fuse, c.clone, c.before = c.r.IntN(40), nil, nil
	c.mu.Unlock()
	for range 4 {
		if c.r.IntN(2) == 0 {
			c.writeSome()
		}
		if c.r.IntN(2) == 0 {
			_ = c.s.Flush(context.Background())
		}
		if c.r.IntN(3) == 0 {
			_ = c.s.Tidy(context.Background())
		}
	}
	c.restart(true)
}

// restart ends the store and opens it again; after a crash with only what was
// synced, or what the fuse left.
func (c *crashTest) restart(crash bool) {
	next := c.fs
	c.mu.Lock()
	clone := c.clone
	if clone != nil {
		// What was sent later never was; what was acknowledged later may be.
		for i, b := range c.batches {
			switch {
			case i >= len(c.before):
				b.outcome = never
			case c.before[i] != acked && b.outcome == acked:
				b.outcome = maybe
			}
		}
		next = clone
	} else if crash {
		next = powerCut(c.t, c.fs, c.r.IntN(101), rand.New(rand.NewPCG(c.seed, 2)))
	}
	c.fuse, c.clone, c.before = -1, nil, nil
	c.mu.Unlock()
	if err := c.s.Close(); err != nil && c.faults == 0 {
		c.fatalf("close: %v", err)
	}
	if next == c.fs && !crash {
		// A new process has no lock left over; this file system is the same.
		c.trace = append(c.trace, "clean")
	}
	c.fs = next
	c.open()
	c.settle()
}

// settle finds out which of the batches that may be there are.
func (c *crashTest) settle() {
	there := c.read()
	for _, b := range c.batches {
		if b.outcome != maybe {
			continue
		}
		b.outcome = never
		if there.has(b) {
			b.outcome = acked // it is there, so it stays
		}
	}
	c.compare(there)
}

func (c *crashTest) verify() { c.compare(c.read()) }

type contents struct {
	logs  map[string][]telemetry.Log
	spans map[string][]telemetry.Span
}

func (b *crashBatch) times() (out []int64) {
	if b.logs != nil {
		for i := range b.logs.Logs {
			out = append(out, b.logs.Logs[i].Time)
		}
		return out
	}
	for i := range b.spans.Spans {
		out = append(out, b.spans.Spans[i].Start)
	}
	return out
}

func (b *crashBatch) first() int64 {
	if b.logs != nil {
		return b.logs.Logs[0].Time
	}
	return b.spans.Spans[0].Start
}

func (x contents) has(b *crashBatch) bool {
	if b.logs != nil {
		for _, l := range x.logs[b.tenant] {
			if l.Time == b.logs.Logs[0].Time {
				return true
			}
		}
		return false
	}
	for _, s := range x.spans[b.tenant] {
		if s.Start == b.spans.Spans[0].Start {
			return true
		}
	}
	return false
}

func (c *crashTest) read() contents {
	x := contents{map[string][]telemetry.Log{}, map[string][]telemetry.Span{}}
	for _, tenant := range []string{"t0", "t1"} {
		x.logs[tenant] = storagetest.Logs(c.t, c.s, storage.LogQuery{Tenant: tenant, Order: storage.NewestFirst})
		x.spans[tenant] = storagetest.Spans(c.t, c.s, storage.SpanQuery{Tenant: tenant})
	}
	return x
}

// compare holds what is there against the outcomes. A batch that failed since
// the last start must not be visible.
func (c *crashTest) compare(x contents) {
	for _, tenant := range []string{"t0", "t1"} {
		var logs []telemetry.Log
		var spans []telemetry.Span
		for _, b := range c.batches {
			if b.tenant == tenant && b.outcome == acked && b.logs != nil {
				logs = append(logs, b.logs.Logs...)
			}
			if b.tenant == tenant && b.outcome == acked && b.spans != nil {
				spans = append(spans, b.spans.Spans...)
			}
		}
		if d := storagetest.DiffLogs(x.logs[tenant], logs); d != "" {
			c.fatalf("logs of %s: %s", tenant, d)
		}
		if d := storagetest.DiffSpans(x.spans[tenant], spans); d != "" {
			c.fatalf("spans of %s: %s", tenant, d)
		}
	}
}
