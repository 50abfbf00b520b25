package admission

import (
	"context"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/clewhq/clew/internal/tenant"
)

// rememberRequests is how many requests' receive times are remembered: at one
// request a millisecond more than a minute, longer than clients retry.
const rememberRequests = 1 << 16

// receiveTimes remembers when a request without times was first received, so
// that the same bytes sent again get the same times and are known as a
// duplicate by the store.
type receiveTimes struct {
	mu   sync.Mutex
	at   map[xxh3.Uint128]int64
	ring []xxh3.Uint128 // what was remembered, in order
	next int
}

func newReceiveTimes() *receiveTimes {
	return &receiveTimes{at: make(map[xxh3.Uint128]int64)}
}

// of returns when these bytes of this tenant were first received.
func (r *receiveTimes) of(tenant string, raw []byte, now time.Time) int64 {
	key := xxh3.Hash128Seed(raw, xxh3.HashString(tenant))
	r.mu.Lock()
	defer r.mu.Unlock()
	if t, ok := r.at[key]; ok {
		return t
	}
	t := now.UnixNano()
	r.at[key] = t
	if len(r.ring) < rememberRequests {
		r.ring = append(r.ring, key)
		return t
	}
	delete(r.at, r.ring[r.next])
	r.ring[r.next] = key
	r.next = (r.next + 1) % rememberRequests
	return t
}

// ReceiveTime returns when the bytes of a request of ctx's tenant were first
// received, in Unix nanoseconds.
func (g *Gate) ReceiveTime(ctx context.Context, raw []byte) int64 {
	return g.times.of(tenant.From(ctx), raw, g.now())
}
