package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// The language of these tests: a query is a text that stands in the record.
var testSelectors = storage.Selectors{
	Logs: func(q string) (storage.LogSelection, error) {
		if q == "nonsense" {
			return storage.LogSelection{}, errors.New("no query")
		}
		return storage.LogSelection{Match: func(l *telemetry.Log) bool {
			if q == "a bug" {
				panic(q)
			}
			return logHas(l, q)
		}}, nil
	},
	Spans: func(q string) (storage.SpanSelection, error) {
		return storage.SpanSelection{Match: func(s *telemetry.Span) bool { return spanHas(s, q) }}, nil
	},
}

func logHas(l *telemetry.Log, text string) bool {
	return strings.Contains(l.Body.Text(), text) || attrsHave(l.Attrs, text) || attrsHave(l.Stream.Resource.Attrs, text)
}

func spanHas(s *telemetry.Span, text string) bool {
	return strings.Contains(s.Name, text) || attrsHave(s.Attrs, text) || attrsHave(s.Stream.Resource.Attrs, text) ||
		slices.ContainsFunc(s.Events, func(e telemetry.Event) bool { return attrsHave(e.Attrs, text) })
}

func attrsHave(attrs telemetry.Attrs, text string) bool {
	return slices.ContainsFunc(attrs, func(a telemetry.Attr) bool {
		return strings.Contains(a.Key, text) || strings.Contains(a.Value.Text(), text)
	})
}

// secret is what must leave no trace.
const secret = "alice.zq81@example.com"

// deletionTest is a store with a person's records among others, in merged
// segments, in single ones and in memory.
type deletionTest struct {
	t     testing.TB
	cfg   Config
	clock *testClock
	s     *Store
	logs  []telemetry.Log // that stay
	all   []telemetry.Log
	spans []telemetry.Span
	// allSpans are those that stay, and the others.
	allSpans []telemetry.Span
	gone     int // records with the secret
}

func newDeletionTest(t testing.TB) *deletionTest {
	d := &deletionTest{t: t, cfg: testConfig(), clock: newClock()}
	d.cfg.BlockRows = 20
	return d
}

func (d *deletionTest) open(fs vfs.FS) error {
	s, err := Open(d.cfg, Deps{FS: fs, Now: d.clock.now, Selectors: testSelectors})
	d.s = s
	return err
}

func (d *deletionTest) fill(fs vfs.FS) {
	d.t.Helper()
	if err := d.open(fs); err != nil {
		d.t.Fatal(err)
	}
	g := storagetest.NewGen(7)
	hers := telemetry.NewStream(telemetry.Resource{Attrs: telemetry.Attrs{{Key: "user.email", Value: telemetry.String(secret)}}}, telemetry.Scope{})
	for i := range 6 {
		logs, spans := g.Logs(30), g.Spans(30)
		for k := 0; k < len(logs.Logs); k += 7 {
			l := &logs.Logs[k]
			switch k % 3 {
			case 0:
				l.Body = telemetry.String("login of " + secret + " from 10.0.0.1")
			case 1:
				l.Attrs = telemetry.Attrs{{Key: "user", Value: telemetry.Map(telemetry.Attrs{{Key: "mail", Value: telemetry.String(secret)}})}}
			default:
				l.Stream = hers
			}
		}
		for k := 0; k < len(spans.Spans); k += 9 {
			s := &spans.Spans[k]
			if k%2 == 0 {
				s.Name = "GET /users/" + secret
			} else {
				s.Events = []telemetry.Event{{Time: s.Start, Name: "login", Attrs: telemetry.Attrs{{Key: secret, Value: telemetry.Int(1)}}}}
			}
		}
		d.write(storagetest.LogBatch(logs.Logs), storagetest.SpanBatch(spans.Spans))
		if i < 4 {
			d.must(d.s.Flush(context.Background()))
		}
		if i == 2 { // as many as are merged
			d.must(d.s.Tidy(context.Background()))
		}
	}
}

func (d *deletionTest) write(logs *telemetry.LogBatch, spans *telemetry.SpanBatch) {
	storagetest.WriteLogs(d.t, d.s, tenantA, logs)
	storagetest.WriteSpans(d.t, d.s, tenantA, spans)
	d.all = append(d.all, logs.Logs...)
	d.allSpans = append(d.allSpans, spans.Spans...)
	for _, l := range logs.Logs {
		if logHas(&l, secret) {
			d.gone++
		} else {
			d.logs = append(d.logs, l)
		}
	}
	for _, s := range spans.Spans {
		if spanHas(&s, secret) {
			d.gone++
		} else {
			d.spans = append(d.spans, s)
		}
	}
}

func (d *deletionTest) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// request asks for both signals' deletion.
func (d *deletionTest) request() {
	d.t.Helper()
	for _, sig := range []telemetry.Signal{telemetry.Logs, telemetry.Traces} {
		_, err := d.s.Delete(context.Background(), storage.Deletion{Tenant: tenantA, Signal: sig, Query: secret})
		d.must(err)
	}
}

func (d *deletionTest) list() []storage.Deletion {
	d.t.Helper()
	list, err := d.s.Deletions(context.Background(), tenantA)
	d.must(err)
	return list
}

// done reports whether everything that was asked for is.
func (d *deletionTest) done() bool {
	list := d.list()
	return len(list) == 2 && !slices.ContainsFunc(list, func(x storage.Deletion) bool { return x.Done == 0 })
}

// expectClean holds the store and its files against what must be left.
func (d *deletionTest) expectClean(fs vfs.FS) {
	d.t.Helper()
	if !d.done() {
		d.t.Fatalf("not done: %+v", d.list())
	}
	n := int64(0)
	for _, x := range d.list() {
		n += x.Records
		if x.Query != "" || x.Err != "" {
			d.t.Errorf("done, and still %+v", x)
		}
	}
	if n != int64(d.gone) {
		d.t.Errorf("%d records deleted, want %d", n, d.gone)
	}
	d.expectRest()
	if where := holding(d.t, fs, secret); len(where) > 0 {
		d.t.Errorf("%q still stands in %v", secret, where)
	}
}

func (d *deletionTest) expectRest() {
	d.t.Helper()
	if diff := storagetest.DiffLogs(storagetest.Logs(d.t, d.s, storage.LogQuery{Tenant: tenantA, Order: storage.NewestFirst}), d.logs); diff != "" {
		d.t.Fatal(diff)
	}
	if diff := storagetest.DiffSpans(storagetest.Spans(d.t, d.s, storage.SpanQuery{Tenant: tenantA}), d.spans); diff != "" {
		d.t.Fatal(diff)
	}
}

// frames reads what is compressed in files.
var frames = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(1<<28))
})

// holding returns the files of a store that hold a text, as it is or in a zstd
// frame.
func holding(t testing.TB, fs vfs.FS, text string) (out []string) {
	t.Helper()
	return holdingIn(t, fs, "/data", text)
}

func holdingIn(t testing.TB, fs vfs.FS, dir, text string) (out []string) {
	t.Helper()
	dec, err := frames()
	if err != nil {
		t.Fatal(err)
	}
	magic := []byte{0x28, 0xb5, 0x2f, 0xfd}
	for _, path := range files(t, fs, dir) {
		b := readFile(t, fs, path)
		found := bytes.Contains(b, []byte(text))
		for at := 0; !found; at++ {
			next := bytes.Index(b[at:], magic)
			if next < 0 {
				break
			}
			at += next
			// What follows the frame is no frame: it ends in an error behind
			// what was decoded.
			plain, _ := dec.DecodeAll(b[at:], nil)
			found = bytes.Contains(plain, []byte(text))
		}
		if found {
			out = append(out, path)
		}
	}
	return out
}

// TestDeletion: what a query selects leaves no trace in any file, and
// everything else stays; also across a restart.
func TestDeletion(t *testing.T) {
	mem := vfs.NewCrashableMem()
	d := newDeletionTest(t)
	d.fill(mem)
	other := storagetest.NewGen(9).Logs(5)
	other.Logs[0].Body = telemetry.String("another tenant's " + secret)
	if where := holding(t, mem, secret); len(where) < 4 {
		t.Fatalf("the test finds the secret in %v only", where)
	}
	d.request()
	if x := d.list(); len(x) != 2 || x[0].Query != secret || x[0].Done != 0 {
		t.Fatalf("asked for: %+v", x)
	}
	mustTidy(t, d.s)
	d.expectClean(mem)
	if n := testutil.ToFloat64(d.s.metrics.deletedRecords.WithLabelValues("logs")); n == 0 {
		t.Error("the metric says that no logs were deleted")
	}
	mustClose(t, d.s)
	mustCheck(t, mem)
	d.must(d.open(mem))
	d.expectClean(mem)
	// It is over: what comes later stays.
	storagetest.WriteLogs(t, d.s, "other", storagetest.LogBatch(other.Logs))
	storagetest.WriteLogs(t, d.s, tenantA, storagetest.LogBatch([]telemetry.Log{other.Logs[0]}))
	mustTidy(t, d.s)
	if n := len(storagetest.Logs(t, d.s, storage.LogQuery{Tenant: tenantA})); n != len(d.logs)+1 {
		t.Errorf("%d records, want %d", n, len(d.logs)+1)
	}
	mustClose(t, d.s)
}

// TestDeletionOfEverything leaves no segment at all.
func TestDeletionOfEverything(t *testing.T) {
	mem := vfs.NewMem()
	d := newDeletionTest(t)
	d.fill(mem)
	for _, sig := range []telemetry.Signal{telemetry.Logs, telemetry.Traces} {
		_, err := d.s.Delete(context.Background(), storage.Deletion{Tenant: tenantA, Signal: sig, Query: "e"})
		d.must(err)
		_, err = d.s.Delete(context.Background(), storage.Deletion{Tenant: tenantA, Signal: sig, Query: "a"})
		d.must(err)
	}
	mustTidy(t, d.s)
	left := storagetest.Logs(t, d.s, storage.LogQuery{Tenant: tenantA})
	if slices.ContainsFunc(left, func(l telemetry.Log) bool { return logHas(&l, "e") || logHas(&l, "a") }) || len(left) > 0 {
		t.Errorf("%d records are left", len(left))
	}
	mustClose(t, d.s)
	if r := mustCheck(t, mem); r.Segments != 0 || len(r.Notes) > 0 {
		t.Errorf("check: %+v", r)
	}
}

// TestDeletionRange: the time range bounds it, and tenants are apart.
func TestDeletionRange(t *testing.T) {
	d := newDeletionTest(t)
	d.must(d.open(vfs.NewMem()))
	defer func() { mustClose(t, d.s) }()
	b := storagetest.NewGen(3).Logs(100)
	storagetest.WriteLogs(t, d.s, tenantA, b)
	storagetest.WriteLogs(t, d.s, "other", b)
	mustFlush(t, d.s)
	_, err := d.s.Delete(context.Background(), storage.Deletion{Tenant: tenantA, Signal: telemetry.Logs, Query: "service-", From: b.Logs[20].Time, To: b.Logs[70].Time})
	d.must(err)
	mustTidy(t, d.s)
	expect(t, d.s, storagetest.LogBatch(b.Logs[:20]), storagetest.LogBatch(b.Logs[70:]))
	if n := len(storagetest.Logs(t, d.s, storage.LogQuery{Tenant: "other"})); n != 100 {
		t.Errorf("%d records of another tenant, want 100", n)
	}
	if x := d.list(); len(x) != 1 || x[0].Records != 50 {
		t.Errorf("%+v", x)
	}
	if list, err := d.s.Deletions(context.Background(), "other"); err != nil || len(list) != 0 {
		t.Errorf("another tenant's: %v, %v", list, err)
	}
}

// filledDeletionTest returns a test whose store is filled and closed, on its files.
func filledDeletionTest(t *testing.T) (*deletionTest, *vfs.MemFS) {
	d, mem := newDeletionTest(t), vfs.NewCrashableMem()
	d.fill(mem)
	mustClose(t, d.s)
	return d, mem
}

// again returns a copy of a filled test, on a copy of its files.
func (d *deletionTest) again(filled *vfs.MemFS) (*deletionTest, *vfs.MemFS) {
	again := *d
	again.clock = newClock()
	again.clock.at.Store(d.clock.at.Load())
	return &again, filled.CrashClone(vfs.CrashCloneCfg{})
}

// TestDeletionPowerCut lets the power go before each operation on the disk that
// a deletion takes. After the next start it goes on and gets to its end.
func TestDeletionPowerCut(t *testing.T) {
	t.Parallel()
	whole, files := filledDeletionTest(t)
	for at, cut := 0, true; cut; at += opStep() {
		d, mem := whole.again(files)
		var ops atomic.Int64
		ops.Store(-1 << 40)
		var crashed *vfs.MemFS
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && ops.Add(1)-1 == int64(at) {
				crashed = mem.CrashClone(vfs.CrashCloneCfg{})
			}
			return nil
		}))
		d.must(d.open(fs))
		d.request()
		ops.Store(0)
		mustTidy(t, d.s)
		mustClose(t, d.s)
		if cut = crashed != nil; !cut {
			crashed = mem
		}
		d.must(d.open(crashed))
		d.expectAfterCut()
		mustTidy(t, d.s)
		d.expectClean(crashed)
		mustClose(t, d.s)
		mustCheck(t, crashed)
		if t.Failed() {
			t.Fatalf("the power went before operation %d", at)
		}
	}
}

// opStep is 1, but for the race detector's sake.
func opStep() int {
	if underRace {
		return 4
	}
	return 1
}

// expectAfterCut: nothing that is to stay is missing, whatever of the rest is.
func (d *deletionTest) expectAfterCut() {
	d.t.Helper()
	logs := storagetest.Logs(d.t, d.s, storage.LogQuery{Tenant: tenantA, Order: storage.NewestFirst})
	logs = slices.DeleteFunc(logs, func(l telemetry.Log) bool { return logHas(&l, secret) })
	if diff := storagetest.DiffLogs(logs, d.logs); diff != "" {
		d.t.Fatal(diff)
	}
}

// TestDeletionOnABadDisk fails each operation once. The deletion says why it
// did not get through, and does so later.
func TestDeletionOnABadDisk(t *testing.T) {
	t.Parallel()
	whole, files := filledDeletionTest(t)
	for at, failed := 0, true; failed; at += opStep() {
		d, mem := whole.again(files)
		var ops atomic.Int64
		ops.Store(-1 << 40)
		failed = false
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && ops.Add(1)-1 == int64(at) {
				failed = true
				return errorfs.ErrInjected
			}
			return nil
		}))
		d.must(d.open(fs))
		d.request()
		ops.Store(0)
		err := d.s.Tidy(context.Background())
		d.expectAfterCut()
		if err != nil && !d.done() && !slices.ContainsFunc(d.list(), func(x storage.Deletion) bool { return x.Err != "" }) {
			t.Errorf("%v, and %+v", err, d.list())
		}
		d.clock.advance(2 * deletionRetry)
		mustTidy(t, d.s)
		d.expectClean(mem)
		mustClose(t, d.s)
		if t.Failed() {
			t.Fatalf("operation %d failed", at)
		}
	}
}

// TestDeletionWaitsForReaders: a query that is under way reads on, and the
// deletion is not done before the file is gone.
func TestDeletionWaitsForReaders(t *testing.T) {
	mem := vfs.NewMem()
	d := newDeletionTest(t)
	d.fill(mem)
	mustFlush(t, d.s)
	next, stop := iter.Pull2(d.s.Logs(context.Background(), storage.LogQuery{Tenant: tenantA, Order: storage.OldestFirst}))
	first, err, _ := next()
	d.must(err)
	d.request()
	mustTidy(t, d.s)
	if d.done() {
		t.Error("done while a query reads what is to be gone")
	}
	n := len(first)
	for {
		batch, err, more := next()
		if !more {
			break
		}
		d.must(err)
		n += len(batch)
	}
	stop()
	hers := 0
	for _, x := range d.list() {
		if x.Signal == telemetry.Logs {
			hers = int(x.Records)
		}
	}
	if n != len(d.logs)+hers {
		t.Errorf("the query saw %d records, want %d", n, len(d.logs)+hers)
	}
	mustTidy(t, d.s)
	d.expectClean(mem)
	mustClose(t, d.s)
}

// TestDeletionOfDamagedData: what cannot be read is named, everything else goes.
func TestDeletionOfDamagedData(t *testing.T) {
	mem := vfs.NewMem()
	d := newDeletionTest(t)
	d.fill(mem)
	mustFlush(t, d.s)
	mustClose(t, d.s)
	var bad string
	for _, path := range files(t, mem, "/data/segments") {
		if strings.Contains(path, "/logs/") {
			bad = path
		}
	}
	b := readFile(t, mem, bad)
	b[100] ^= 1
	writeFile(t, mem, bad, b)
	d.must(d.open(mem))
	defer func() { mustClose(t, d.s) }()
	d.request()
	if err := d.s.Tidy(context.Background()); err == nil {
		t.Error("no error")
	}
	for _, x := range d.list() {
		if named := strings.Contains(x.Err, bad); named != (x.Signal == telemetry.Logs) || named != (x.Done == 0) || x.Records == 0 {
			t.Errorf("%+v", x)
		}
	}
	for _, path := range holding(t, mem, secret) {
		if path != bad && !strings.Contains(path, "/manifest/") {
			t.Errorf("%s still has it", path)
		}
	}
}

// TestDeletionRefusals: what is wrong is said at once, and cancelled is
// cancelled.
func TestDeletionRefusals(t *testing.T) {
	mem := vfs.NewMem()
	d := newDeletionTest(t)
	d.cfg.DeletionDelay = model.Duration(time.Hour)
	d.must(d.open(mem))
	ctx := context.Background()
	for _, x := range []storage.Deletion{
		{Tenant: tenantA, Signal: telemetry.Logs},
		{Tenant: tenantA, Signal: telemetry.Metrics, Query: "x"},
		{Tenant: tenantA, Signal: telemetry.Logs, Query: "nonsense"},
		{Tenant: tenantA, Signal: telemetry.Logs, Query: "x", From: 2, To: 2},
		{Tenant: "../x", Signal: telemetry.Logs, Query: "x"},
	} {
		if _, err := d.s.Delete(ctx, x); !errors.Is(err, storage.ErrBadDeletion) {
			t.Errorf("%+v: %v", x, err)
		}
	}
	b := storagetest.NewGen(3).Logs(10)
	storagetest.WriteLogs(t, d.s, tenantA, b)
	x, err := d.s.Delete(ctx, storage.Deletion{Tenant: tenantA, Signal: telemetry.Logs, Query: "service-"})
	d.must(err)
	mustTidy(t, d.s)
	expect(t, d.s, b)
	for _, c := range []struct{ tenant, id string }{{"other", x.ID}, {tenantA, "77"}, {tenantA, "x"}} {
		if err := d.s.CancelDeletion(ctx, c.tenant, c.id); !errors.Is(err, storage.ErrNoDeletion) {
			t.Errorf("cancel %v: %v", c, err)
		}
	}
	d.must(d.s.CancelDeletion(ctx, tenantA, x.ID))
	if _, err := d.s.Delete(ctx, storage.Deletion{Tenant: tenantA, Signal: telemetry.Logs, Query: b.Logs[0].Stream.Service}); err != nil {
		t.Fatal(err)
	}
	d.clock.advance(30 * time.Minute)
	mustTidy(t, d.s)
	expect(t, d.s, b)
	mustClose(t, d.s)
	d.must(d.open(mem)) // the request is still known
	d.clock.advance(31 * time.Minute)
	mustTidy(t, d.s)
	if n := len(storagetest.Logs(t, d.s, storage.LogQuery{Tenant: tenantA})); n >= 10 {
		t.Errorf("%d records after the delay", n)
	}
	if list := d.list(); len(list) != 1 || list[0].Done == 0 {
		t.Errorf("%+v", list)
	}
	mustClose(t, d.s)
	if _, err := d.s.Delete(ctx, x); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("a closed store: %v", err)
	}
}

// TestDeletionHitsABug: a query that panics is an error of its deletion alone.
func TestDeletionHitsABug(t *testing.T) {
	d := newDeletionTest(t)
	d.must(d.open(vfs.NewMem()))
	b := storagetest.NewGen(3).Logs(10)
	storagetest.WriteLogs(t, d.s, tenantA, b)
	_, err := d.s.Delete(context.Background(), storage.Deletion{Tenant: tenantA, Signal: telemetry.Logs, Query: "a bug"})
	d.must(err)
	if err := d.s.Tidy(context.Background()); err == nil || len(d.list()) != 1 || !strings.Contains(d.list()[0].Err, "a bug") {
		t.Errorf("%v, %+v", err, d.list())
	}
	expect(t, d.s, b)
	mustTidy(t, d.s)
	mustClose(t, d.s)
}

// TestDeletionsAreForgotten: the list does not grow for ever.
func TestDeletionsAreForgotten(t *testing.T) {
	all := map[uint64]manifest.Deletion{}
	for id := range uint64(doneDeletions + 10) {
		all[id] = manifest.Deletion{ID: id, Done: int64(id % 2)}
	}
	if got := tooMany(all); len(got) != 0 {
		t.Errorf("%d forgotten of few", len(got))
	}
	for id := range all {
		all[id] = manifest.Deletion{ID: id, Done: 1}
	}
	if got := fmt.Sprint(tooMany(all)); got != "[0 1 2 3 4 5 6 7 8 9]" {
		t.Errorf("forgotten: %s", got)
	}
}
