package elastic

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/internal/wait"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/parked"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry"
)

// Where the index of one tenant and signal takes nothing, while the cluster
// works, its requests leave the write-ahead log for a log of their own, so that
// the drained position moves on for all others. A goroutine for each such log
// tries, one request at a time and one log at a time, until the index takes
// documents again, and then carries the log to it beside the drain.

// parkedName is the directory of those logs.
const parkedName = "parked"

// parking is those whose index takes nothing.
type parking struct {
	store *Store
	// probe is the place of the one that tries: an index whose shard is gone lets
	// it wait, and must not hold a place of those that go on.
	probe chan struct{}

	mu    sync.Mutex
	stuck map[owner]*stuck
}

// stuck is an owner whose index takes nothing.
type stuck struct {
	owner owner
	log   *parked.Log // nil where Elasticsearch acknowledges: nothing waits

	// Of the lock of parking.
	users int  // that are about to add to log
	ended bool // nothing waits, and the files go
	why   error
	again time.Time // without a log: when a request may try
}

func newParking(s *Store) *parking {
	return &parking{store: s, probe: make(chan struct{}, 1), stuck: map[owner]*stuck{}}
}

// open finds what was parked before the start.
func (p *parking) open() error {
	fs, dir := p.store.deps.FS, p.dir()
	names, err := fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, name := range names {
		sig, who, _ := strings.Cut(name, "-")
		if sig != string(telemetry.Logs) && sig != string(telemetry.Traces) || tenant.Check(who) != nil {
			p.store.deps.Logger.Warn("left alone: not a directory of parked requests", "name", fs.PathJoin(dir, name))
			continue
		}
		st := &stuck{owner: owner{who, telemetry.Signal(sig)}, why: errors.New("it was so before the start, and is tried again")}
		if st.log, err = p.openLog(st.owner); err != nil {
			return err
		}
		p.stuck[st.owner] = st
	}
	return nil
}

func (p *parking) dir() string {
	return p.store.deps.FS.PathJoin(p.store.cfg.Dir, parkedName)
}

func (p *parking) openLog(o owner) (*parked.Log, error) {
	s := p.store
	return parked.Open(parked.Options{
		FS: s.deps.FS, Dir: s.deps.FS.PathJoin(p.dir(), string(o.signal)+"-"+o.tenant),
		FileBytes: s.cfg.WALFileBytes, GroupBytes: s.cfg.WALGroupBytes, KeepEvery: keepEvery,
		Now: s.deps.Now, Damaged: s.queue.damaged,
	})
}

// run carries on what was parked before the start.
func (p *parking) run() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, st := range p.stuck {
		p.show(st)
		p.store.deps.Logger.Info("requests of a tenant are parked", "tenant", st.owner.tenant, "signal", st.owner.signal, "bytes", st.log.Bytes())
		p.store.loops.Go(func() { p.unpark(st) })
	}
}

// parks reports whether requests of an owner are to be parked without a try.
func (p *parking) parks(o owner) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stuck[o] != nil
}

// put makes requests durable in the log of their owner; why is the reason where
// that is new.
func (p *parking) put(ctx context.Context, o owner, requests []wal.Record, why error) error {
	st, err := p.enter(o, why)
	if err != nil {
		return err
	}
	err = st.log.Append(ctx, requests)
	p.mu.Lock()
	defer p.mu.Unlock()
	st.users--
	p.show(st)
	if err == nil {
		p.store.metrics.parkedRequests.WithLabelValues(string(o.signal)).Add(float64(len(requests)))
	}
	return err
}

// enter returns what is stuck of an owner, and keeps it until users is less.
func (p *parking) enter(o owner, why error) (*stuck, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.stuck[o]
	if st == nil {
		if why == nil { // it was stuck when the batch was read
			why = errors.New("it is tried again")
		}
		st = &stuck{owner: o, why: why}
		var err error
		if st.log, err = p.openLog(o); err != nil {
			return nil, err
		}
		p.stuck[o] = st
		p.store.deps.Logger.Warn("an index takes nothing: requests of its tenant are parked, and those of others go on", "tenant", o.tenant, "signal", o.signal, "err", why)
		p.store.loops.Go(func() { p.unpark(st) })
	}
	if st.ended {
		return nil, fmt.Errorf("the files of what was parked for tenant %s are not removed yet", o.tenant)
	}
	st.users++
	return st, nil
}

// unpark tries until all that is parked of an owner is in Elasticsearch, or the
// store stops.
func (p *parking) unpark(st *stuck) {
	s, probing := p.store, true
	pause := time.Duration(s.cfg.RetryBackoff)
	for s.background.Err() == nil {
		some, err := p.forward(st, probing)
		if err == nil && some {
			probing, pause = false, time.Duration(s.cfg.RetryBackoff)
			continue
		}
		if err == nil && p.leave(st) {
			return
		}
		if err != nil {
			probing = true
			p.because(st, err)
		}
		_ = wait.About(s.background, pause) // the loop looks why
		pause = min(2*pause, time.Duration(s.cfg.RetryBackoffMax))
	}
}

// close closes the logs, which nobody uses any more.
func (p *parking) close() error {
	var errs []error
	for _, st := range p.stuck {
		if st.log != nil {
			errs = append(errs, st.log.Close())
		}
	}
	return errors.Join(errs...)
}

func (p *parking) because(st *stuck, why error) {
	if p.store.background.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	st.why = why
}

// leave ends what is stuck where nothing is parked any more. Its files are gone
// then: what a deletion has removed must not come again.
func (p *parking) leave(st *stuck) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st.users > 0 || st.log.Bytes() > 0 {
		return false
	}
	s := p.store
	st.ended = true
	if err := st.log.Remove(); err != nil {
		s.deps.Logger.Error("remove the files of requests that were parked; trying again", "err", err)
		return false
	}
	delete(p.stuck, st.owner)
	s.metrics.parked.DeleteLabelValues(st.owner.tenant, string(st.owner.signal))
	s.deps.Logger.Info("an index takes documents again: all that was parked is in elasticsearch", "tenant", st.owner.tenant, "signal", st.owner.signal)
	return true
}

// forward brings some of what is parked to Elasticsearch: one request to try,
// else about bulk_bytes. It reports false where there is nothing.
func (p *parking) forward(st *stuck, probing bool) (some bool, err error) {
	s, bytes := p.store, int64(p.store.cfg.BulkBytes)
	if st.log.Bytes() == 0 {
		return false, nil
	}
	if probing {
		bytes = 1
		select {
		case p.probe <- struct{}{}:
		case <-s.background.Done():
			return false, s.background.Err()
		}
		defer func() { <-p.probe }()
	} else {
		if err := s.flow.Acquire(s.background); err != nil {
			return false, err
		}
		defer s.flow.Release()
	}
	b := batches.Get().(*batch)
	defer b.release()
	part, err := st.log.Read(bytes, func(rec wal.Record) {
		if err := s.decode(b, rec); err != nil {
			s.queue.damaged(&wal.CorruptionError{Dir: p.dir(), Segment: string(st.owner.signal) + "-" + st.owner.tenant, Err: err})
		}
	})
	if err != nil || part.Empty() {
		return false, err
	}
	if err := s.all(b.items, probing); err != nil {
		return false, err
	}
	if err := st.log.Done(part); err != nil {
		s.deps.Logger.Error("let go of parked requests; a restart sends more again than it has to", "err", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show(st)
	return true, nil
}

// busyTries is how often one that tries meets a cluster with too much to do
// before others may try. It is one more than a document that is refused takes.
const busyTries = 3

// all writes items that may have been written before. It ends with the first
// refusal of the index or the cluster.
func (s *Store) all(items []item, probing bool) error {
	pause := time.Duration(s.cfg.RetryBackoff)
	for tries := 1; len(items) > 0; tries++ {
		out, err := s.bulkOnce(s.background, items, true)
		if err := errors.Join(err, out.why()); err != nil {
			return err
		}
		if len(out.left) == 0 {
			break
		}
		if len(out.left) < len(items) {
			tries = 0
		}
		if items = out.left; probing && tries >= busyTries {
			return errors.New("elasticsearch has too much to do")
		}
		if err := wait.About(s.background, pause); err != nil {
			return err
		}
		pause = min(2*pause, time.Duration(s.cfg.RetryBackoffMax))
	}
	return nil
}

// show tells how much is parked. The lock is held.
func (p *parking) show(st *stuck) {
	p.store.metrics.parked.WithLabelValues(st.owner.tenant, string(st.owner.signal)).Set(float64(st.log.Bytes()))
}

// total is how many bytes are parked.
func (p *parking) total() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sum()
}

// sizes is how many bytes are parked, of each who has some.
func (p *parking) sizes() map[owner]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[owner]int64{}
	for o, st := range p.stuck {
		if n := st.bytes(); n > 0 {
			out[o] = n
		}
	}
	return out
}

func (p *parking) sum() (n int64) {
	for _, st := range p.stuck {
		n += st.bytes()
	}
	return n
}

func (st *stuck) bytes() int64 {
	if st.log == nil {
		return 0
	}
	return st.log.Bytes()
}

// room returns why n more bytes of an owner cannot be taken: what is parked of
// it may have its share of what others have not parked.
func (p *parking) room(o owner, n int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.stuck[o]
	if st == nil {
		return nil
	}
	c, own := &p.store.cfg, st.bytes()
	most := int64(c.ParkedShare * float64(c.WALBytes-(p.sum()-own)))
	if own == 0 || own+n <= most {
		return nil
	}
	return fmt.Errorf("%w; %d bytes of requests are parked, and storage.elasticsearch.parked_share allows %d", st.err(), own, most)
}

// try returns an error where an owner is stuck, and it is not the time to try
// again. It is for where Elasticsearch acknowledges.
func (p *parking) try(o owner) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	st, now := p.stuck[o], time.Now()
	if st == nil {
		return nil
	}
	if now.Before(st.again) {
		return st.err()
	}
	st.again = now.Add(time.Duration(p.store.cfg.RetryBackoffMax)) // others wait for what comes of this one
	return nil
}

// tried tells what came of it: why is the refusal of the index, if it was one.
func (p *parking) tried(o owner, why error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if why == nil {
		delete(p.stuck, o)
		return nil
	}
	st := &stuck{owner: o, why: why, again: time.Now().Add(time.Duration(p.store.cfg.RetryBackoffMax))}
	p.stuck[o] = st
	return st.err()
}

func (st *stuck) err() error {
	return fmt.Errorf("%w: those for %s of tenant %s: %w", storage.ErrStuck, st.owner.signal, st.owner.tenant, st.why)
}

// missing is what a query is told of parked requests, "" where none are.
func (p *parking) missing(o owner) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.stuck[o]
	if st == nil || st.bytes() == 0 {
		return ""
	}
	return fmt.Sprintf("%d bytes of requests are acknowledged and parked, since their index takes nothing: their records are missing; %v", st.bytes(), st.why)
}

// tells is who is stuck, for people; "" where nobody is.
func (p *parking) tells() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, st := range p.stuck {
		all = append(all, fmt.Sprintf("%v (%d bytes are parked)", st.err(), st.bytes()))
	}
	slices.Sort(all)
	if more := len(all) - toldStuck; more > 0 {
		all = append(all[:toldStuck], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, "; ")
}

// toldStuck is how many are named at once.
const toldStuck = 5
