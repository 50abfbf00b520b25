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
// that the same bytes sent again soon get the same times and are known as a
// duplicate by the store. Sent later they are taken for news: without a time
// in it, a heartbeat looks like a retry.
type receiveTimes struct {
	window time.Duration
	mu     sync.Mutex
	at     map[xxh3.Uint128]int64
	ring   []xxh3.Uint128 // what was remembered, in order
	next   int
}

func newReceiveTimes(window time.Duration) *receiveTimes {
	return &receiveTimes{window: window, at: make(map[xxh3.Uint128]int64)}
}

// of returns when these bytes of this tenant were first received.
func (r *receiveTimes) of(tenant string, raw []byte, now time.Time) int64 {
	key := xxh3.Hash128Seed(raw, xxh3.HashString(tenant))
	r.mu.Lock()
	defer r.mu.Unlock()
	first, known := r.at[key]
	if known && now.Sub(time.Unix(0, first)) <= r.window {
		return first
	}
	t := now.UnixNano()
	r.at[key] = t
	if known {
		return t
	}
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
