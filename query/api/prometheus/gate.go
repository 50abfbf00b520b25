package prometheus

import "context"

// gate lets so many queries run at once. It implements promql.QueryTracker.
type gate chan struct{}

func newGate(n int) gate { return make(gate, n) }

// GetMaxConcurrent implements promql.QueryTracker.
func (g gate) GetMaxConcurrent() int { return cap(g) }

// Insert implements promql.QueryTracker: it waits for a free place.
func (g gate) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case g <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Delete implements promql.QueryTracker: it gives the place back.
func (g gate) Delete(int) { <-g }

// Close implements promql.QueryTracker.
func (gate) Close() error { return nil }
