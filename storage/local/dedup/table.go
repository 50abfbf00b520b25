package dedup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/clewhq/clew/telemetry"
)

// Hash identifies a request.
type Hash [16]byte

// HashOf returns the hash of a request.
func HashOf(tenant string, signal telemetry.Signal, data []byte) Hash {
	seed := xxh3.HashString(string(signal) + "\x00" + tenant)
	return Hash(xxh3.Hash128Seed(data, seed).Bytes())
}

// Table is the requests under way and those acknowledged within the window.
// It is safe for concurrent use.
type Table struct {
	window time.Duration
	limit  int

	mu     sync.Mutex
	acked  map[Hash]int64 // when it was received, Unix nanoseconds
	oldest []entry        // in the order they were acknowledged
	flying map[Hash]*Flight
}

type entry struct {
	hash Hash
	at   int64
}

// Flight is a request under way.
type Flight struct {
	hash  Hash
	table *Table
	done  chan struct{}
	err   error
}

// New returns a table that remembers requests for the window, and at most
// limit of them.
func New(window time.Duration, limit int) *Table {
	return &Table{window: window, limit: limit, acked: map[Hash]int64{}, flying: map[Hash]*Flight{}}
}

// Announce waits for a copy of the same request that is under way. It returns a
// flight to end, unless the request is a duplicate.
func (t *Table) Announce(ctx context.Context, h Hash, received int64) (*Flight, bool, error) {
	for {
		f, first, duplicate := t.Begin(h, received)
		if first || duplicate {
			return f, duplicate, nil
		}
		select {
		case <-f.Done():
			if f.Err() == nil {
				return nil, true, nil
			}
			// The first copy failed; this one takes its place.
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// Begin announces a request received at now. It returns duplicate where the
// request was acknowledged before, the flight of its first copy to wait for
// where there is one (first is false), or a new flight that the caller must
// end.
func (t *Table) Begin(h Hash, now int64) (f *Flight, first, duplicate bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, ok := t.acked[h]; ok && !t.expired(at, now) {
		return nil, false, true
	}
	if f, ok := t.flying[h]; ok {
		return f, false, false
	}
	f = &Flight{hash: h, table: t, done: make(chan struct{})}
	t.flying[h] = f
	return f, true, false
}

// End says what became of the request, which was received at the given time.
func (f *Flight) End(at int64, err error) {
	t := f.table
	t.mu.Lock()
	delete(t.flying, f.hash)
	if err == nil {
		t.remember(f.hash, at)
	}
	t.mu.Unlock()
	f.err = err
	close(f.done)
}

// Done is closed when the flight has ended.
func (f *Flight) Done() <-chan struct{} { return f.done }

// Err is the outcome, once Done is closed.
func (f *Flight) Err() error { return f.err }

// Seen remembers a request read from the log, and reports whether it was
// remembered already.
func (t *Table) Seen(h Hash, at int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before, ok := t.acked[h]; ok && !t.expired(before, at) {
		return true
	}
	t.remember(h, at)
	return false
}

func (t *Table) expired(at, now int64) bool { return now-at >= int64(t.window) }

// remember also forgets what is too old or too much.
func (t *Table) remember(h Hash, at int64) {
	t.acked[h] = at
	t.oldest = append(t.oldest, entry{h, at})
	drop := 0
	for drop < len(t.oldest) && (len(t.oldest)-drop > t.limit || t.expired(t.oldest[drop].at, at)) {
		e := t.oldest[drop]
		if t.acked[e.hash] == e.at {
			delete(t.acked, e.hash)
		}
		drop++
	}
	t.oldest = t.oldest[drop:]
}

// Len is how many requests are remembered.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.acked)
}

// entrySize is the bytes of a request in Append's list.
const entrySize = 24

// Append appends the requests that are remembered at now.
func (t *Table) Append(dst []byte, now int64) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.oldest {
		if t.acked[e.hash] != e.at || t.expired(e.at, now) {
			continue
		}
		dst = append(dst, e.hash[:]...)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.at))
	}
	return dst
}

var errList = errors.New("not a list of requests")

// Load remembers the requests of a list that Append wrote.
func (t *Table) Load(b []byte) error {
	if len(b)%entrySize != 0 {
		return fmt.Errorf("%w: %d bytes is no multiple of %d", errList, len(b), entrySize)
	}
	for ; len(b) > 0; b = b[entrySize:] {
		t.Seen(Hash(b[:16]), int64(binary.LittleEndian.Uint64(b[16:])))
	}
	return nil
}
