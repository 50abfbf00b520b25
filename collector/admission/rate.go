package admission

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiters holds the token buckets of every tenant that has a limit.
type limiters struct {
	limits func(tenant string) Limits
	mu     sync.Mutex
	byName map[string]*limiter
}

type limiter struct {
	of      Limits
	records *rate.Limiter
	bytes   *rate.Limiter
}

func newLimiters(limits func(string) Limits) *limiters {
	return &limiters{limits: limits, byName: make(map[string]*limiter)}
}

// take asks for room for a request. A request larger than the burst passes
// when the bucket is full, or it could never pass.
func (l *limiters) take(tenant string, now time.Time, records, bytes int) error {
	of := l.limits(tenant)
	if of.RecordsPerSecond <= 0 && of.BytesPerSecond <= 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.byName[tenant]
	if t == nil || t.of != of {
		t = &limiter{of: of, records: bucket(of.RecordsPerSecond, of.BurstSeconds), bytes: bucket(of.BytesPerSecond, of.BurstSeconds)}
		l.byName[tenant] = t
	}
	r, after := reserve(t.records, now, records)
	if after > 0 {
		return &rateLimited{"records", of.RecordsPerSecond, after}
	}
	if _, after = reserve(t.bytes, now, bytes); after > 0 {
		if r != nil {
			r.CancelAt(now)
		}
		return &rateLimited{"bytes", of.BytesPerSecond, after}
	}
	return nil
}

func bucket(perSecond, burstSeconds float64) *rate.Limiter {
	if perSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), int(max(1, math.Ceil(perSecond*burstSeconds))))
}

// reserve takes n tokens, or tells how long it takes until they are there.
func reserve(l *rate.Limiter, now time.Time, n int) (*rate.Reservation, time.Duration) {
	if l == nil {
		return nil, 0
	}
	r := l.ReserveN(now, min(n, l.Burst()))
	if after := r.DelayFrom(now); after > 0 {
		r.CancelAt(now)
		return nil, after
	}
	return r, 0
}
