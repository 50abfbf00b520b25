package keep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// disk is a storage extension in memory that outlives a keeper.
type disk struct {
	component.StartFunc
	component.ShutdownFunc
	mu   sync.Mutex
	data map[string][]byte
	fail error
}

func (d *disk) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return d, nil
}

func (d *disk) Get(ctx context.Context, key string) ([]byte, error) {
	op := storage.GetOperation(key)
	err := d.Batch(ctx, op)
	return op.Value, err
}

func (d *disk) Set(ctx context.Context, key string, value []byte) error {
	return d.Batch(ctx, storage.SetOperation(key, value))
}

func (d *disk) Delete(ctx context.Context, key string) error {
	return d.Batch(ctx, storage.DeleteOperation(key))
}

func (d *disk) Batch(_ context.Context, ops ...*storage.Operation) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	for _, op := range ops {
		switch op.Type {
		case storage.Get:
			op.Value = d.data[op.Key]
		case storage.Set:
			d.data[op.Key] = op.Value
		case storage.Delete:
			delete(d.data, op.Key)
		}
	}
	return nil
}

func (d *disk) Close(context.Context) error { return nil }

func (d *disk) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{diskID: d}
}

var diskID = component.MustNewID("disk")

// queue is the next component. Each batch that comes waits until release.
type queue struct {
	consumer.Logs
	mu      sync.Mutex
	answers []error // what to answer first; nil afterwards
	refuse  error   // what to answer always
	batches [][]string
	entered chan struct{}
	release chan struct{}
}

func newQueue(t *testing.T) *queue {
	t.Helper()
	q := &queue{entered: make(chan struct{}, 100)}
	next, err := consumer.NewLogs(q.consume)
	if err != nil {
		t.Fatal(err)
	}
	q.Logs = next
	return q
}

func (q *queue) consume(_ context.Context, ld plog.Logs) error {
	q.entered <- struct{}{}
	if q.release != nil {
		<-q.release
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refuse != nil {
		return q.refuse
	}
	if len(q.answers) > 0 {
		err := q.answers[0]
		if q.answers = q.answers[1:]; err != nil {
			return err
		}
	}
	q.batches = append(q.batches, texts(ld))
	return nil
}

func (q *queue) taken() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Concat(q.batches...)
}

func texts(ld plog.Logs) []string {
	var out []string
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				out = append(out, lr.Body().Str())
			}
		}
	}
	return out
}

func batch(lines ...string) plog.Logs {
	ld := plog.NewLogs()
	sl := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	for _, line := range lines {
		sl.LogRecords().AppendEmpty().Body().SetStr(line)
	}
	return ld
}

// newKeeper starts a keeper on d, or without storage where d is nil.
func newKeeper(t *testing.T, q *queue, d *disk) processor.Logs {
	t.Helper()
	cfg := defaultConfig().(*Config)
	cfg.MaxRecords, cfg.RetryInitial, cfg.RetryMax = 5, time.Millisecond, 2*time.Millisecond
	if d != nil {
		cfg.Storage = &diskID
	}
	p, err := NewFactory().CreateLogs(context.Background(), processortest.NewNopSettings(NewFactory().Type()), cfg, q)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	return p
}

func stop(t *testing.T, p processor.Logs) {
	t.Helper()
	if err := p.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestRetriesUntilTaken(t *testing.T) {
	q := newQueue(t)
	q.answers = []error{errors.New("full"), errors.New("full"), nil}
	p := newKeeper(t, q, nil)
	if err := p.ConsumeLogs(context.Background(), batch("a", "b")); err != nil {
		t.Fatal(err)
	}
	if got := q.taken(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("taken: %v", got)
	}
}

func TestPermanentRefusalIsReturned(t *testing.T) {
	q, d := newQueue(t), &disk{data: map[string][]byte{}}
	q.refuse = consumererror.NewPermanent(errors.New("never"))
	p := newKeeper(t, q, d)
	defer stop(t, p)
	if err := p.ConsumeLogs(context.Background(), batch("a")); !consumererror.IsPermanent(err) {
		t.Errorf("error is %v", err)
	}
	if len(d.data) != 0 {
		t.Error("what is refused for good is kept for ever")
	}
}

// TestJoins: what comes while another batch is on its way goes on together,
// up to the limit, and in order.
func TestJoins(t *testing.T) {
	q := newQueue(t)
	q.release = make(chan struct{})
	p := newKeeper(t, q, nil).(*keeper)
	var wg sync.WaitGroup
	send := func(line string) { wg.Go(func() { _ = p.ConsumeLogs(context.Background(), batch(line, line+"'")) }) }
	send("first")
	<-q.entered
	for i := range 3 {
		send(fmt.Sprint(i))
		waitUntil(t, func() bool { // so that the order is known
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.open != nil && p.open.records == []int{2, 4, 2}[i]
		})
	}
	close(q.release)
	wg.Wait()
	q.mu.Lock()
	defer q.mu.Unlock()
	sizes := map[int]int{}
	for _, b := range q.batches {
		sizes[len(b)]++
	}
	if len(q.batches) != 3 || sizes[4] != 1 || sizes[2] != 2 {
		t.Errorf("batches are %v, want one of 4 and two of 2", q.batches)
	}
}

// waitUntil asks again and again: there is nothing to wait on in a keeper.
func waitUntil(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestStoppingKeepsWhatWasNotTaken(t *testing.T) {
	q, d := newQueue(t), &disk{data: map[string][]byte{}}
	q.refuse = errors.New("full")
	p := newKeeper(t, q, d)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.ConsumeLogs(ctx, batch("a", "b")) }()
	<-q.entered
	cancel()
	if err := <-done; err != nil {
		t.Fatalf("stopping: %v", err)
	}
	if err := p.ConsumeLogs(ctx, batch("c")); err != nil {
		t.Fatalf("stopping: %v", err)
	}
	stop(t, p)

	// The next run cannot get rid of it either, and must not lose it.
	p = newKeeper(t, q, d)
	<-q.entered
	stop(t, p)

	q = newQueue(t)
	p = newKeeper(t, q, d)
	waitUntil(t, func() bool { return len(q.taken()) == 3 })
	waitUntil(t, func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.data) == 0 })
	stop(t, p)
	if got := q.taken(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("sent on: %v", got)
	}
}

func TestLossIsAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for name, d := range map[string]*disk{"without storage": nil, "with a broken one": {data: map[string][]byte{}}} {
		q := newQueue(t)
		q.refuse = errors.New("full")
		p := newKeeper(t, q, d)
		if d != nil {
			d.mu.Lock()
			d.fail = errors.New("disk is gone")
			d.mu.Unlock()
		}
		if err := p.ConsumeLogs(ctx, batch("a")); err == nil {
			t.Errorf("%s a loss is passed over in silence", name)
		}
		stop(t, p)
	}
}

func TestConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no records":  func(c *Config) { c.MaxRecords = 0 },
		"no pause":    func(c *Config) { c.RetryInitial = 0 },
		"pauses swap": func(c *Config) { c.RetryMax = c.RetryInitial - 1 },
	} {
		c := defaultConfig().(*Config)
		if err := c.Validate(); err != nil {
			t.Fatalf("the default is refused: %v", err)
		}
		if change(c); c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	id := component.MustNewID("nowhere")
	p, _ := NewFactory().CreateLogs(context.Background(), processortest.NewNopSettings(NewFactory().Type()), &Config{Storage: &id}, newQueue(t))
	if err := p.Start(context.Background(), &disk{}); err == nil {
		t.Error("a storage that does not exist is accepted")
	}
}
