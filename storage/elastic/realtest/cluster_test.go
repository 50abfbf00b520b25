package realtest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/internal/elastictest"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// load is a writer and a reader at work on a store.
type load struct {
	store *elastic.Store
	mu    sync.Mutex
	acked []telemetry.Log
	seen  int   // of acked, when an answer was last there
	whole int   // answers that nothing was missing of
	lost  error // what an answer lacked of what had been acknowledged before
	errs  int   // answers that were none, or said that something is missing
}

func (l *load) written() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

func (l *load) answers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.whole
}

// farAhead is how many records may be written before the next answer: answers
// that grow without bound would take ever longer.
const farAhead = 900

func (l *load) ahead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)-l.seen > farAhead
}

// write writes until ctx ends. A batch that is refused is sent again, as a
// client does.
func (l *load) write(ctx context.Context, seed uint64) {
	g := storagetest.NewGen(seed)
	for ctx.Err() == nil {
		if l.ahead() {
			time.Sleep(time.Millisecond)
			continue
		}
		b := g.Logs(30)
		for ctx.Err() == nil {
			if _, err := l.store.WriteLogs(context.WithoutCancel(ctx), "me", b); err == nil {
				l.mu.Lock()
				l.acked = append(l.acked, b.Logs...)
				l.mu.Unlock()
				break
			}
			time.Sleep(10 * time.Millisecond) // as the sender of a refused request does
		}
	}
}

// read reads until ctx ends. An answer that says it is whole must have all
// that was acknowledged before it was asked for.
func (l *load) read(ctx context.Context) {
	for ctx.Err() == nil {
		want := l.written()
		var stats storage.ReadStats
		got, failed := 0, false
		for batch, err := range l.store.Logs(context.WithoutCancel(ctx), storage.LogQuery{Tenant: "me", Columns: storage.ColSeverity, Stats: &stats}) {
			got += len(batch)
			failed = failed || err != nil
		}
		l.mu.Lock()
		l.seen = len(l.acked)
		switch {
		case failed || len(stats.Warnings) > 0:
			l.errs++
		case got < want:
			l.lost = &missing{got, want}
		default:
			l.whole++
		}
		l.mu.Unlock()
	}
}

type missing struct{ got, want int }

// Error implements error.
func (m *missing) Error() string { return "an answer that says it is whole lacks records" }

// until waits for a condition of a cluster that is at work.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// TestThreeNodes kills the node that leads a cluster, under load: nothing that
// was acknowledged is lost or doubled, no answer says that it is whole and is
// not, and whole answers come again without the node. Where shards have no
// copies, the others answer and say what is missing, until the node is back.
func TestThreeNodes(t *testing.T) {
	cluster := elastictest.StartCluster(t, 3)
	weak := []*fragile{newFragile(t, cluster, false, 58), newFragile(t, cluster, true, 59)}
	var loads []*load
	for _, ack := range []string{elastic.AckWAL, elastic.AckElasticsearch} {
		cfg := config()
		quick(&cfg)
		cfg.Addresses, cfg.Acknowledge, cfg.Replicas, cfg.Shards = cluster.URLs(), ack, 1, 2
		// The queue is small: what is written and not drained yet has to wait.
		cfg.WALBytes, cfg.BulkBytes, cfg.ReadWait, cfg.RequestTimeout = 60_000, 1<<20, model.Duration(time.Minute), model.Duration(10*time.Second)
		loads = append(loads, &load{store: opened(t, cfg, deps())})
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for i, l := range loads {
		running.Go(func() { l.write(ctx, uint64(50+i)) })
		running.Go(func() { l.read(ctx) })
	}
	more := func(records, answers int) {
		t.Helper()
		for _, l := range loads {
			r, a := l.written()+records, l.answers()+answers
			until(t, "records to be acknowledged", func() bool { return l.written() >= r })
			until(t, "whole answers", func() bool { return l.answers() >= a })
		}
	}
	more(300, 2)
	master, err := cluster.Master()
	if err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	master.Kill()
	more(300, 2)
	t.Logf("whole answers %s after the master was killed", time.Since(killed).Round(time.Millisecond))
	cancel()
	running.Wait()
	for _, f := range weak {
		f.write() // some of it has to wait for the node
		f.partial()
	}
	if err := master.Restart(); err != nil {
		t.Fatal(err)
	}
	for _, f := range weak {
		f.whole()
	}
	for _, l := range loads {
		if l.lost != nil {
			t.Errorf("%v: %+v", l.lost, l.lost)
		}
		var got []telemetry.Log
		until(t, "the last answer", func() bool {
			got = eventually(t, l.store, len(l.acked))
			return len(got) >= len(l.acked)
		})
		if d := storagetest.DiffLogs(got, slices.Clone(l.acked)); d != "" {
			t.Error(d)
		}
		t.Logf("%d records, %d whole answers, %d that said that they are not", len(l.acked), l.whole, l.errs)
	}
}
