package local

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// slowS3 lets nothing of segments be read until the client gives up or goOn is
// closed.
type slowS3 struct {
	asked, left, goOn chan struct{}
}

func (a *awayTest) slow() *slowS3 {
	s := &slowS3{asked: make(chan struct{}, 1000), left: make(chan struct{}, 1000), goOn: make(chan struct{})}
	a.s3.SetFault(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/segments/") {
			return false
		}
		s.asked <- struct{}{}
		select {
		case <-r.Context().Done():
			s.left <- struct{}{}
			panic(http.ErrAbortHandler)
		case <-s.goOn:
			return false
		}
	})
	return s
}

// unharmed makes sure that nothing counts as damaged or as away, and that all
// is answered once the storage is as fast as it was.
func (a *awayTest) unharmed(stats *storage.ReadStats) {
	a.Helper()
	if len(stats.Warnings) > 0 || testutil.CollectAndCount(a.s.metrics.corruptions) != 0 {
		a.Errorf("the end of a query is taken for damage: %q", stats.Warnings)
	}
	for _, p := range partitions(a.s, a.s.logs) {
		for _, h := range p.list {
			if h.spoilt.Load() {
				a.Errorf("%s is held for damaged", h.path)
			}
			h.release()
		}
	}
	if h, _ := a.s.ObjectStorage(); h.Err != nil || h.Breaker != "closed" {
		a.Errorf("the end of a query is held against the storage: %+v", h)
	}
	a.s3.SetFault(nil)
	a.equal()
}

// cool empties the cache.
func cool[T any](s *Store, sig *signal[T]) {
	all := partitions(s, sig)
	defer releaseAll(all)
	for _, p := range all {
		for _, h := range p.list {
			s.objects.depot.Cool(h.meta.Object, h.meta.Bytes)
		}
	}
}

// TestSlowObjectsEndWithTheQuery: whoever gives up waits no longer, of whatever
// is asked, and is told that it is not the answer.
func TestSlowObjectsEndWithTheQuery(t *testing.T) {
	asks := map[string]func(context.Context, *Store, *storage.ReadStats) error{
		"logs": func(ctx context.Context, s *Store, stats *storage.ReadStats) (err error) {
			for _, err = range s.Logs(ctx, storage.LogQuery{Tenant: tenantA, Stats: stats}) {
			}
			return err
		},
		"spans": func(ctx context.Context, s *Store, stats *storage.ReadStats) (err error) {
			for _, err = range s.Spans(ctx, storage.SpanQuery{Tenant: tenantA, Stats: stats}) {
			}
			return err
		},
		"counts": func(ctx context.Context, s *Store, stats *storage.ReadStats) error {
			return s.CountLogs(ctx, storage.LogQuery{Tenant: tenantA, Stats: stats}, 1e9, func(*telemetry.Stream, int, int64) {})
		},
		"groups": func(ctx context.Context, s *Store, stats *storage.ReadStats) error {
			return s.CountLogGroups(ctx, storage.LogQuery{Tenant: tenantA, Stats: stats}, 1e9, nil, func(storage.LogGroup, int64) {})
		},
		"calls by other rules": func(ctx context.Context, s *Store, stats *storage.ReadStats) error {
			_, err := s.Calls(ctx, storage.CallQuery{Tenant: tenantA, To: 1 << 62, Rules: calls.Rules{Around: time.Hour}, Stats: stats})
			return err
		},
	}
	a := newAwayTest(t)
	a.moved()
	for name, ask := range asks {
		slow := a.slow()
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			<-slow.asked
			cancel()
		}()
		var stats storage.ReadStats
		if err := ask(ctx, a.s, &stats); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, canceled: %v", name, err)
		}
		<-slow.left // nobody else waits: the request ends, too
		a.unharmed(&stats)
		cool(a.s, a.s.logs)
		cool(a.s, a.s.spans)

		a.slow()
		limited, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if err := ask(limited, a.s, &stats); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s, out of time: %v", name, err)
		}
		stop()
		a.unharmed(&stats)
		cool(a.s, a.s.logs)
		cool(a.s, a.s.spans)
	}
}

// TestSlowObjectsAreShared: one who gives up takes nothing from others that wait
// for the same.
func TestSlowObjectsAreShared(t *testing.T) {
	a := newAwayTest(t)
	a.moved()
	slow := a.slow()
	stay := make(chan []telemetry.Log)
	go func() { stay <- storagetest.Logs(t, a.s, storage.LogQuery{Tenant: tenantA}) }()
	<-slow.asked
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	go func() {
		var err error
		for _, err = range a.s.Logs(ctx, storage.LogQuery{Tenant: tenantA}) {
		}
		gone <- err
	}()
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who gave up: %v", err)
	}
	close(slow.goOn)
	if d := storagetest.DiffLogs(<-stay, a.logs); d != "" {
		t.Errorf("the one who stayed: %s", d)
	}
	a.unharmed(&storage.ReadStats{})
}

// TestSlowIndexes: where the local index of an object is gone, one query reads
// it; those who wait for that one give up when they are to, and the next takes
// the place of one that gave up.
func TestSlowIndexes(t *testing.T) {
	a := newAwayTest(t)
	a.moved()
	for _, f := range files(t, a.fs, "/data/objects/tails") {
		a.must(a.fs.Remove(f))
	}
	slow := a.slow()
	list := func(ctx context.Context) chan error {
		out := make(chan error)
		go func() {
			_, err := a.s.Streams(ctx, tenantA, telemetry.Logs, 0, 0, nil)
			out <- err
		}()
		return out
	}
	ctx, cancel := context.WithCancel(context.Background())
	first := list(ctx)
	<-slow.asked
	limited, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	if err := <-list(limited); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one who waits for another: %v", err)
	}
	next := list(context.Background())
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("one who reads: %v", err)
	}
	close(slow.goOn)
	a.must(<-next)
	a.unharmed(&storage.ReadStats{})
}

// TestSlowObjectsAndTheBackground: a merge that is stopped says nothing about
// what it read.
func TestSlowObjectsAndTheBackground(t *testing.T) {
	a := newAwayTest(t)
	a.open()
	a.clock.advance(20 * 24 * time.Hour)
	g := storagetest.NewGen(4)
	for range 3 {
		b := g.Logs(20)
		storagetest.WriteLogs(t, a.s, tenantA, b)
		a.logs = append(a.logs, b.Logs...)
		a.must(a.s.Flush(context.Background()))
		a.must(a.s.moveObjects(context.Background()))
	}
	a.must(a.s.Close())
	a.cfg.CompactFiles = 2
	a.open()
	slow := a.slow()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-slow.asked
		cancel()
	}()
	if err := a.s.Tidy(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("tidy: %v", err)
	}
	a.unharmed(&storage.ReadStats{})
	a.must(a.s.Tidy(context.Background()))
	if n := len(a.keys()); n != 1 {
		t.Errorf("%d objects after the merge", n)
	}
	a.equal()
}
