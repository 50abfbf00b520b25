package cache

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// slow is an object whose requests wait until goOn is closed or nobody waits for
// them.
type slow struct {
	*remote
	asked, ended, goOn chan struct{}
}

func newSlow(size int) *slow {
	return &slow{newRemote(size), make(chan struct{}, 10), make(chan struct{}, 10), make(chan struct{})}
}

func (s *slow) fetch(ctx context.Context, p []byte, off int64) error {
	s.asked <- struct{}{}
	select {
	case <-s.goOn:
		return s.remote.fetch(ctx, p, off)
	case <-ctx.Done():
		s.ended <- struct{}{}
		return ctx.Err()
	}
}

// waiter is a context that tells when somebody waits for its end.
type waiter struct {
	context.Context
	once  sync.Once
	waits chan struct{}
}

func (w *waiter) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waits) })
	return w.Context.Done()
}

// reader reads some bytes in the background; it has joined a flight when reader
// returns.
func (s *slow) reader(c *Cache, off, n int64) (leave func(), outcome chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	w := &waiter{Context: ctx, waits: make(chan struct{})}
	outcome = make(chan error, 1)
	go func() {
		p := make([]byte, n)
		err := c.ReadAt(w, "a", int64(len(s.data)), p, off, 0, s.fetch)
		if err == nil && !bytes.Equal(p, s.data[off:off+n]) {
			err = errors.New("not what the object has")
		}
		outcome <- err
	}()
	<-w.waits
	return cancel, outcome
}

// TestLeaving: one who leaves gets its context's error at once, those who stay
// get what they wait for, of one request.
func TestLeaving(t *testing.T) {
	c, _ := newCache(t, vfs.NewMem(), 1000)
	o := newSlow(95)
	leave, left := o.reader(c, 0, 40)
	leaveToo, leftToo := o.reader(c, 5, 3)
	_, stayed := o.reader(c, 20, 10) // in the middle of what is fetched at once
	leave()
	leaveToo()
	if a, b := <-left, <-leftToo; !errors.Is(a, context.Canceled) || !errors.Is(b, context.Canceled) {
		t.Errorf("those who left: %v, %v", a, b)
	}
	close(o.goOn)
	if err := <-stayed; err != nil {
		t.Errorf("the one who stayed: %v", err)
	}
	if len(o.asked) != 1 || len(o.ended) != 0 {
		t.Errorf("%d requests, %d given up", len(o.asked), len(o.ended))
	}
	c.Close()
}

// TestAllLeave: what nobody waits for any more ends, and whoever comes then
// begins anew.
func TestAllLeave(t *testing.T) {
	c, n := newCache(t, vfs.NewMem(), 1000)
	o := newSlow(95)
	leave, left := o.reader(c, 0, 40)
	leaveToo, leftToo := o.reader(c, 20, 10)
	leave()
	<-left
	leaveToo()
	<-leftToo
	_, stayed := o.reader(c, 10, 20) // whether the first request has noticed or not
	<-o.ended
	close(o.goOn)
	if err := <-stayed; err != nil {
		t.Errorf("the one who came later: %v", err)
	}
	c.Close()
	if len(o.asked) != 2 || len(c.flights) != 0 || n.size != 20 {
		t.Errorf("%d requests, %d flights left, %d bytes kept", len(o.asked), len(c.flights), n.size)
	}
}

// TestClose ends what is under way.
func TestClose(t *testing.T) {
	c, _ := newCache(t, vfs.NewMem(), 1000)
	o := newSlow(95)
	_, outcome := o.reader(c, 0, 10)
	c.Close()
	if err := <-outcome; !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	if len(o.ended) != 1 {
		t.Error("the request goes on")
	}
}
