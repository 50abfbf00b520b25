package elastic

import (
	"context"
	"net/http"
	"net/url"
	"sync"

	"github.com/clewhq/clew/storage/elastic/cluster"
)

// freshness knows which indices were written by this process since they were
// last refreshed, so that a read refreshes only those.
type freshness struct {
	mu      sync.Mutex
	written map[string]int64
	shown   map[string]int64
	running map[string]chan struct{} // closed when the refresh has ended
}

func newFreshness() *freshness {
	return &freshness{written: map[string]int64{}, shown: map[string]int64{}, running: map[string]chan struct{}{}}
}

func (f *freshness) wrote(index string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written[index]++
}

// show makes what was written to an index so far visible to searches. Readers
// that come at the same time share a refresh.
func (s *Store) show(ctx context.Context, index string) error {
	f := s.fresh
	f.mu.Lock()
	want := f.written[index]
	for f.shown[index] < want {
		if running := f.running[index]; running != nil {
			f.mu.Unlock()
			select {
			case <-running:
			case <-ctx.Done():
				return ctx.Err()
			}
			f.mu.Lock()
			continue
		}
		covers, ended := f.written[index], make(chan struct{})
		f.running[index] = ended
		f.mu.Unlock()
		err := s.refresh(ctx, index)
		f.mu.Lock()
		delete(f.running, index)
		close(ended)
		if err != nil {
			f.mu.Unlock()
			return err
		}
		f.shown[index] = max(f.shown[index], covers)
	}
	f.mu.Unlock()
	return nil
}

func (s *Store) refresh(ctx context.Context, index string) error {
	_, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + index + "/_refresh", Query: url.Values{"ignore_unavailable": {"true"}}})
	if cluster.IsMissing(err) {
		return nil
	}
	return err
}
