package dedup_test

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/clewhq/clew/storage/local/dedup"
	"github.com/clewhq/clew/telemetry"
)

func hash(i int) (h dedup.Hash) {
	binary.BigEndian.PutUint64(h[:], uint64(i))
	return h
}

// ack lets a request through.
func ack(t *testing.T, d *dedup.Table, i int, at int64) {
	t.Helper()
	f, first, duplicate := d.Begin(hash(i), at)
	if !first || duplicate {
		t.Fatalf("request %d at %d: first %v, duplicate %v", i, at, first, duplicate)
	}
	f.End(at, nil)
}

func known(d *dedup.Table, i int, at int64) bool {
	f, first, duplicate := d.Begin(hash(i), at)
	if first {
		f.End(at, errors.New("only asking"))
	}
	return duplicate
}

func TestHashOf(t *testing.T) {
	seen := map[dedup.Hash]string{}
	for _, c := range []struct {
		tenant string
		signal telemetry.Signal
		data   string
	}{{"a", telemetry.Logs, "x"}, {"b", telemetry.Logs, "x"}, {"a", telemetry.Traces, "x"}, {"a", telemetry.Logs, "y"}, {"a", telemetry.Logs, ""}} {
		h := dedup.HashOf(c.tenant, c.signal, []byte(c.data))
		if other, dup := seen[h]; dup {
			t.Errorf("%v has the hash of %s", c, other)
		}
		seen[h] = c.data
		if h != dedup.HashOf(c.tenant, c.signal, []byte(c.data)) {
			t.Errorf("%v has two hashes", c)
		}
	}
}

func TestWindow(t *testing.T) {
	d := dedup.New(time.Second, 100)
	ack(t, d, 1, 0)
	if !known(d, 1, int64(time.Second)-1) || known(d, 1, int64(time.Second)) {
		t.Error("the window does not end after a second")
	}
	ack(t, d, 2, int64(3*time.Second))
	if d.Len() != 1 {
		t.Errorf("%d requests remembered, want 1", d.Len())
	}
}

func TestLimit(t *testing.T) {
	d := dedup.New(time.Hour, 10)
	for i := range 25 {
		ack(t, d, i, int64(i))
	}
	if d.Len() != 10 || known(d, 14, 30) || !known(d, 15, 30) {
		t.Errorf("%d requests remembered; the oldest of ten is not the 15th", d.Len())
	}
}

func TestFlight(t *testing.T) {
	d := dedup.New(time.Hour, 10)
	f, first, _ := d.Begin(hash(1), 0)
	g, again, duplicate := d.Begin(hash(1), 1)
	if !first || again || duplicate || f != g {
		t.Fatal("a second copy must wait for the first")
	}
	select {
	case <-g.Done():
		t.Fatal("done before it ended")
	default:
	}
	broken := errors.New("broken")
	f.End(0, broken)
	<-g.Done()
	if !errors.Is(g.Err(), broken) || known(d, 1, 2) {
		t.Error("a failed request counts as known")
	}
}

func TestListKeepsRequests(t *testing.T) {
	d := dedup.New(time.Second, 100)
	for i := range 5 {
		ack(t, d, i, int64(i)*int64(time.Second)/4)
	}
	list := d.Append(nil, int64(time.Second)+1)
	e := dedup.New(time.Second, 100)
	if err := e.Load(list); err != nil {
		t.Fatal(err)
	}
	now := int64(time.Second) + 1
	for i := range 5 {
		if known(d, i, now) != known(e, i, now) {
			t.Errorf("request %d: known %v, after loading %v", i, known(d, i, now), known(e, i, now))
		}
	}
	if err := e.Load(list[:len(list)-1]); err == nil {
		t.Error("a cut list was loaded")
	}
	if e.Seen(hash(4), now) != true || e.Seen(hash(9), now) != false || !e.Seen(hash(9), now) {
		t.Error("what is read from the log is not remembered")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(make([]byte, 48))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := dedup.New(time.Hour, 3)
		if err := d.Load(b); err == nil && d.Len() > 3 {
			t.Errorf("%d requests remembered, at most 3", d.Len())
		}
	})
}
