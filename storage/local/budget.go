package local

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// budget counts the memory of what is not in segments yet.
type budget struct {
	limit int64
	gauge prometheus.Gauge
	peaks prometheus.Gauge
	mu    sync.Mutex
	used  int64
	peak  int64
	freed chan struct{} // closed when some is given back
}

func newBudget(limit int64, now, peak prometheus.Gauge) *budget {
	return &budget{limit: limit, gauge: now, peaks: peak, freed: make(chan struct{})}
}

// take reserves n bytes where that stays within the limit. A batch that alone
// is over it passes when nothing else is held: it could never be taken else.
func (b *budget) take(n int64) (ok bool, freed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used > 0 && b.used+n > b.limit {
		return false, b.freed
	}
	b.add(n)
	return true, nil
}

// force reserves n bytes whatever the limit: replay has no one to refuse.
func (b *budget) force(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(n)
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(-n)
	close(b.freed)
	b.freed = make(chan struct{})
}

func (b *budget) add(n int64) {
	b.used += n
	b.gauge.Set(float64(b.used))
	if b.used > b.peak {
		b.peak = b.used
		b.peaks.Set(float64(b.peak))
	}
}

// wait reserves n bytes, waiting until ctx is done. try is called before each
// wait, to make room.
func (b *budget) wait(ctx context.Context, n int64, try func()) bool {
	for {
		ok, freed := b.take(n)
		if ok {
			return true
		}
		try()
		select {
		case <-freed:
		case <-ctx.Done():
			return false
		}
	}
}
