// Package inflight lets a store wait, when it is closed, for the calls that are
// under way. It may import only the standard library.
package inflight

import "sync"

// Count counts the calls under way. It is not a lock: a reader may call the
// store again while it iterates, also while Close waits for it. The zero value
// is open. It is safe for concurrent use.
type Count struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when there are none left after Close
}

// Enter holds the store open for one call, after which leave must be called. It
// reports false once the store is closed.
func (c *Count) Enter() (leave func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, false
	}
	c.n++
	return c.leave, true
}

func (c *Count) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.closed {
		close(c.idle)
	}
}

// Close refuses calls from now on and waits for those under way. It reports
// false where it was called before.
func (c *Count) Close() bool {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return false
	}
	c.closed = true
	c.idle = make(chan struct{})
	if c.n == 0 {
		close(c.idle)
	}
	c.mu.Unlock()
	<-c.idle
	return true
}
