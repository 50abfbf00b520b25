package local

import (
	"context"
	"iter"

	"golang.org/x/time/rate"
)

// pace bounds the bytes per second that background work reads, so that
// queries and writes find the disk free. A nil one is no bound.
type pace struct{ limiter *rate.Limiter }

func newPace(bytesPerSecond int64) *pace {
	if bytesPerSecond == 0 {
		return nil
	}
	return &pace{rate.NewLimiter(rate.Limit(bytesPerSecond), int(bytesPerSecond))}
}

// wait returns when n more bytes are within the bound.
func (p *pace) wait(ctx context.Context, n int64) error {
	if p == nil {
		return ctx.Err()
	}
	for n > 0 {
		step := min(n, int64(p.limiter.Burst()))
		if err := p.limiter.WaitN(ctx, int(step)); err != nil {
			return err
		}
		n -= step
	}
	return ctx.Err()
}

// pacedRows is how many rows are read between two looks at the bound.
const pacedRows = 4096

// paced passes rows on, of which each takes about so many bytes of a file.
func paced[T any](ctx context.Context, p *pace, bytesPerRow float64, rows iter.Seq2[*T, error]) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		n := 0
		for r, err := range rows {
			if n++; n%pacedRows == 0 && err == nil {
				if err := p.wait(ctx, int64(pacedRows*bytesPerRow)); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(r, err) {
				return
			}
		}
	}
}
