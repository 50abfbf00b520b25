package keep

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/clewhq/clew/internal/wait"
)

// keeper is the processor.
type keeper struct {
	config *Config
	id     component.ID
	log    *zap.Logger
	next   consumer.Logs

	// turn is held by the group that is being handed on.
	turn chan struct{}

	mu   sync.Mutex
	open *group // the group that waits for its turn and still takes batches

	spill  *spill // nil without storage
	cancel context.CancelFunc
	resent sync.WaitGroup
}

// group is batches that go on as one. Whoever opened it hands it on; the
// others wait for done and then read err.
type group struct {
	logs    plog.Logs
	records int
	done    chan struct{}
	err     error
}

// Capabilities says that batches are moved into one another.
func (k *keeper) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: true}
}

// Start opens the storage and sends on what the last run could not.
func (k *keeper) Start(ctx context.Context, host component.Host) error {
	if k.config.Storage == nil {
		return nil
	}
	s, err := openSpill(ctx, host, *k.config.Storage, k.id)
	if err != nil {
		return err
	}
	k.spill = s
	// Not ctx: that one ends when starting has ended.
	ctx, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
	k.resent.Go(func() {
		if err := s.drain(ctx, k.forward); err != nil {
			k.log.Warn("cannot send on what the last run kept; it stays for the next", zap.Error(err))
		}
	})
	return nil
}

// Shutdown is called when the receivers have stopped.
func (k *keeper) Shutdown(ctx context.Context) error {
	if k.spill == nil {
		return nil
	}
	k.cancel()
	k.resent.Wait()
	return k.spill.close(ctx)
}

// ConsumeLogs returns when the records are in the next component's hands, or
// in storage because the agent stops.
func (k *keeper) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	g, leader := k.join(ld)
	if !leader {
		<-g.done
		return g.err
	}
	k.turn <- struct{}{}
	k.shut(g)
	g.err = k.hand(ctx, g.logs)
	<-k.turn
	close(g.done)
	return g.err
}

// join adds ld to the open group, or opens one.
func (k *keeper) join(ld plog.Logs) (g *group, leader bool) {
	n := ld.LogRecordCount()
	k.mu.Lock()
	defer k.mu.Unlock()
	if g = k.open; g != nil && g.records+n <= k.config.MaxRecords {
		ld.ResourceLogs().MoveAndAppendTo(g.logs.ResourceLogs())
		g.records += n
		return g, false
	}
	g = &group{logs: ld, records: n, done: make(chan struct{})}
	k.open = g
	return g, true
}

// shut keeps others from joining g.
func (k *keeper) shut(g *group) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open == g {
		k.open = nil
	}
}

// hand forwards ld, and writes it to storage where the agent stops first.
func (k *keeper) hand(ctx context.Context, ld plog.Logs) error {
	err := k.forward(ctx, ld)
	if err == nil || consumererror.IsPermanent(err) {
		return err
	}
	if k.spill == nil {
		k.log.Error("stopping with records that the queue did not take, and without storage to keep them: they are lost",
			zap.Int("records", ld.LogRecordCount()), zap.Error(err))
		return err
	}
	// The receiver moves its offset on after this, so this is the last copy.
	if err := k.spill.put(context.WithoutCancel(ctx), ld); err != nil {
		k.log.Error("cannot keep records that the queue did not take: they are lost",
			zap.Int("records", ld.LogRecordCount()), zap.Error(err))
		return err
	}
	return nil
}

// forward tries until ld is taken, is refused for good, or ctx ends.
func (k *keeper) forward(ctx context.Context, ld plog.Logs) error {
	pause := k.config.RetryInitial
	for {
		err := k.next.ConsumeLogs(ctx, ld)
		if err == nil || consumererror.IsPermanent(err) {
			return err
		}
		if wait.For(ctx, pause) != nil {
			return err
		}
		pause = min(2*pause, k.config.RetryMax)
	}
}
