package cache

import "context"

// run is a fetch under way, of chunks that stand behind each other. It goes on
// until it has them or nobody waits for any of them: a reader that leaves takes
// nothing from the others.
type run struct {
	flights []*flight
	cancel  context.CancelFunc

	// The cache's mu guards these.
	waiting int  // how many wait for one of the flights
	landed  bool // the fetch itself has ended
}

// flight is one chunk of a run, for all who want it.
type flight struct {
	run  *run
	done chan struct{}
	data []byte
	err  error
}

// begin has n chunks fetched, from that of id on, and returns the first one's
// flight. c.mu is held.
func (c *Cache) begin(id chunkID, n, size int64, fetch Fetch) *flight {
	ctx, cancel := context.WithCancel(c.background)
	r := &run{cancel: cancel, flights: make([]*flight, n)}
	for i := range r.flights {
		r.flights[i] = &flight{run: r, done: make(chan struct{})}
		c.flights[id.plus(i)] = r.flights[i]
	}
	c.fetches.Go(func() {
		defer cancel()
		c.fetch(ctx, id, r, size, fetch)
	})
	return r.flights[0]
}

// plus is the chunk so many behind this one.
func (id chunkID) plus(n int) chunkID { return chunkID{id.object, id.number + int64(n)} }

// wait returns what a flight brings to a reader that it counts already.
func (c *Cache) wait(ctx context.Context, f *flight) ([]byte, error) {
	defer c.leave(f.run)
	select {
	case <-f.done:
		return f.data, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// leave ends a run that nobody waits for. Who comes later begins another one.
func (c *Cache) leave(r *run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.waiting--; r.waiting > 0 || r.landed {
		return
	}
	r.cancel()
	for id, f := range c.flights {
		if f.run == r {
			delete(c.flights, id)
		}
	}
}

func (c *Cache) fetch(ctx context.Context, id chunkID, r *run, size int64, fetch Fetch) {
	from := id.number * c.opts.ChunkBytes
	data := make([]byte, min(int64(len(r.flights))*c.opts.ChunkBytes, size-from))
	err := fetch(ctx, data, from)
	c.mu.Lock()
	r.landed = true
	c.mu.Unlock()
	for i, f := range r.flights {
		c.opts.Count.Miss()
		at := id.plus(i)
		if f.err = err; err == nil {
			f.data = data[int64(i)*c.opts.ChunkBytes : min(int64(i+1)*c.opts.ChunkBytes, int64(len(data)))]
			c.keep(at, f.data)
		}
		c.mu.Lock()
		if c.flights[at] == f {
			delete(c.flights, at)
		}
		c.mu.Unlock()
		close(f.done)
	}
}
