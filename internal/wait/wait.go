// Package wait lets a loop rest before it tries again, no longer than its
// context lasts. It may import only the standard library.
package wait

import (
	"context"
	"math/rand/v2"
	"time"
)

// For waits for d. Where ctx ends first it returns the context's error at once.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// spread is which part of a pause is left to chance.
const spread = 5

// About is For with at most a fifth less than d, by chance, so that many who
// failed at the same moment do not come back at the same moment.
func About(ctx context.Context, d time.Duration) error {
	return For(ctx, d-time.Duration(rand.Int64N(int64(d)/spread+1)))
}
