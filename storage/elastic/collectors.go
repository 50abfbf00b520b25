package elastic

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/document"
	"github.com/clewhq/clew/storage/elastic/search"
	"github.com/clewhq/clew/storage/local/wal"
)

// collectorDoc is a process with a write-ahead log, as it stands in the index
// of deletions.
type collectorDoc struct {
	Kind    string `json:"kind"` // kindCollector
	Name    string `json:"name"`
	Created int64  `json:"created"`
	// Passed are the deletions behind which it has nothing left.
	Passed []string `json:"passed"`
}

func (s *Store) collectorPath() string { return s.deletionPath(kindCollector + "-" + s.queue.id) }

// join announces this process's write-ahead log to those that delete, once,
// before the first record of it goes to Elasticsearch.
func (s *Store) join(ctx context.Context) error {
	if s.queue == nil || s.queue.joined.Load() {
		return nil
	}
	s.preparing.Lock()
	defer s.preparing.Unlock()
	if s.queue.joined.Load() {
		return nil
	}
	if err := s.putCollector(ctx, nil); err != nil {
		return err
	}
	s.queue.joined.Store(true)
	return nil
}

func (s *Store) putCollector(ctx context.Context, passed []string) error {
	body, err := json.Marshal(collectorDoc{Kind: kindCollector, Name: s.queue.name(), Created: s.deps.Now().UnixNano(), Passed: passed})
	if err != nil {
		return err
	}
	if _, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPut, Path: s.collectorPath(), Body: body, Query: url.Values{"refresh": {"true"}}}); err != nil {
		return fmt.Errorf("announce the write-ahead log to deletions: %w", err)
	}
	return nil
}

// part takes the announcement back: nothing waits in the write-ahead log.
func (s *Store) part(ctx context.Context) error {
	_, err := s.es.Do(ctx, cluster.Request{Method: http.MethodDelete, Path: s.collectorPath(), Query: url.Values{"refresh": {"true"}}, Once: true})
	if cluster.IsMissing(err) {
		return nil
	}
	return err
}

// passDeletions empties the write-ahead log of what stood in it when the
// deletions were seen, and says of which nothing is left: of a tenant whose
// requests are parked something is.
func (s *Store) passDeletions(ctx context.Context, list []keptDeletion) error {
	if s.queue == nil {
		return nil
	}
	q := s.queue
	ids := make([]string, len(list))
	fresh := false
	for i, k := range list {
		ids[i] = k.id
		fresh = fresh || !slices.Contains(q.purged, k.id)
	}
	if fresh {
		if err := q.purge(ctx, time.Duration(s.cfg.ReadWait)); err != nil {
			return err
		}
		q.purged = ids
	}
	var passed []string
	fresh = false
	for _, k := range list {
		before := slices.Contains(q.passed, k.id)
		if before || !s.parking.parks(owner{k.doc.Tenant, k.doc.Signal}) {
			passed, fresh = append(passed, k.id), fresh || !before
		}
	}
	if !fresh {
		return nil
	}
	if q.joined.Load() {
		if err := s.putCollector(ctx, passed); err != nil {
			return err
		}
	}
	q.passed = passed
	return nil
}

// collectorsBehind names the processes that may still bring records of before
// a deletion.
func (s *Store) collectorsBehind(ctx context.Context, id string) ([]string, error) {
	hits, err := s.searchDeletions(ctx, []any{search.Term("kind", kindCollector)})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, h := range hits {
		var c collectorDoc
		if err := json.Unmarshal(h.Source, &c); err != nil {
			return nil, fmt.Errorf("read collector %s: %w", h.ID, err)
		}
		if !slices.Contains(c.Passed, id) {
			out = append(out, fmt.Sprintf("%s (last heard of at %s; if it is gone for good with its disk, delete document %s of %s)",
				c.Name, document.FormatTime(c.Created), h.ID, s.names.deletions()))
		}
	}
	return out, nil
}

// leaveLimit bounds how long a store that closes waits for Elasticsearch.
const leaveLimit = 2 * time.Second

// withdraw takes the announcement back where nothing waits. Where that fails,
// deletions wait for the next start.
func (s *Store) withdraw() error {
	if !s.queue.joined.Load() || s.queue.pendingBytes() > 0 || s.parking.total() > 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveLimit)
	defer cancel()
	if err := s.part(ctx); err != nil {
		s.deps.Logger.Warn("take the write-ahead log back from deletions; they wait for the next start", "err", err)
	}
	return nil
}

// name tells people which log it is.
func (q *queue) name() string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	return host + ":" + q.dir
}

// identify reads the log's name in the cluster, or makes one for a new log.
func (q *queue) identify() error {
	path := q.fs.PathJoin(q.store.cfg.Dir, idName)
	f, err := q.fs.Open(path)
	if err == nil {
		defer func() { _ = f.Close() }()
		b, err := io.ReadAll(f)
		if q.id = strings.TrimSpace(string(b)); err != nil || q.id != "" {
			return err
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the log's name: %w", err)
	}
	q.id = strings.ToLower(rand.Text())
	out, err := q.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("keep the log's name: %w", err)
	}
	_, err = io.WriteString(out, q.id+"\n")
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("keep the log's name: %w", err)
	}
	return wal.SyncDir(q.fs, q.store.cfg.Dir)
}

// purge waits until all that is acknowledged is in Elasticsearch or parked and
// the files that had it are removed.
func (q *queue) purge(ctx context.Context, wait time.Duration) error {
	type begun struct {
		at  wal.Position
		err error
	}
	rotated := make(chan begun, 1)
	err := q.wal.Rotate(ctx, q.hashes, func(pos wal.Position, err error) {
		if err == nil {
			// The drain goes over to the new file, and lets go of the old one.
			q.change(func() { q.acked = pos })
		}
		rotated <- begun{pos, err}
	})
	if err != nil {
		return fmt.Errorf("begin a new write-ahead file: %w", err)
	}
	file := <-rotated
	if file.err != nil {
		return fmt.Errorf("begin a new write-ahead file: %w", file.err)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		q.mu.Lock()
		drained, cleared, changed := !q.done.Less(file.at), q.cleared >= file.at.Seq, q.changed
		pending := q.pending
		q.mu.Unlock()
		if drained && cleared {
			return nil
		}
		if drained {
			select {
			case q.nudge <- struct{}{}:
			default:
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d bytes of requests wait in the write-ahead log: %w", pending, ctx.Err())
		}
	}
}

// trail remembers when how much was acknowledged, so that it can be told how
// old the oldest request is that waits.
type trail struct {
	mu sync.Mutex
	// clear is when all that was acknowledged until then was in Elasticsearch;
	// zero is not known, since the log is of a process before this one.
	clear time.Time
	marks []mark // each read_wait or further apart
}

type mark struct {
	at  time.Time
	end wal.Position // of what was acknowledged then
}

// Backlog tells how far Elasticsearch is behind what this process has
// acknowledged. Somebody has to ask from time to time: it knows no other times
// than those.
type Backlog struct {
	// Late is set where requests wait that were acknowledged read_wait ago and
	// longer: no query waits for them.
	Late bool
	// Since is when what was acknowledged had come to Elasticsearch, zero where
	// it waits from before this process was started.
	Since time.Time
}

// Backlog looks at the write-ahead log, now.
func (s *Store) Backlog() Backlog {
	if s.queue == nil {
		return Backlog{}
	}
	s.queue.mu.Lock()
	acked, done := s.queue.acked, s.queue.done
	s.queue.mu.Unlock()
	return s.trail.look(s.deps.Now(), acked, done, time.Duration(s.cfg.ReadWait))
}

func (t *trail) look(now time.Time, acked, done wal.Position, wait time.Duration) Backlog {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.marks) > 0 && !done.Less(t.marks[0].end) {
		t.clear, t.marks = t.marks[0].at, t.marks[1:]
	}
	if !done.Less(acked) {
		t.clear, t.marks = now, nil
		return Backlog{}
	}
	if n := len(t.marks); n == 0 || now.Sub(t.marks[n-1].at) >= wait && t.marks[n-1].end != acked {
		t.marks = append(t.marks, mark{now, acked})
	}
	return Backlog{Late: now.Sub(t.clear) > wait, Since: t.clear}
}
