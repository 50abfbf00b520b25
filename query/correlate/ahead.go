package correlate

import (
	"context"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// batchesAhead is how many batches of logs are read before they are wanted:
// those of nearly all stories.
const batchesAhead = 8

type logBatch struct {
	logs []telemetry.Log
	err  error
}

// logsAhead reads logs while their reader does something else: the spans of a
// story stand in other files than its logs.
type logsAhead struct {
	batches chan logBatch
	stats   storage.ReadStats
	cancel  context.CancelFunc
}

// readAhead begins to read; stop has to be called in the end.
func readAhead(ctx context.Context, r storage.Reader, q storage.LogQuery) *logsAhead {
	a := &logsAhead{batches: make(chan logBatch, batchesAhead)}
	ctx, a.cancel = context.WithCancel(ctx)
	q.Stats = &a.stats
	go func() {
		defer close(a.batches)
		for logs, err := range r.Logs(ctx, q) {
			select {
			case a.batches <- logBatch{logs, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return a
}

// stop ends the reading and returns the warnings that came with it.
func (a *logsAhead) stop() []string {
	a.cancel()
	for range a.batches { // until it is closed
	}
	return a.stats.Warnings
}
