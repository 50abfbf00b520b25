package local

import (
	"cmp"
	"slices"
	"time"

	"github.com/clewhq/clew/storage/local/head"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/segment"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry"
)

// signal is what the store keeps of one signal. Store.mu guards its map; the
// lists in it are never changed, only replaced.
type signal[T any] struct {
	kind     *record.Kind[T]
	codec    *segment.Codec[T]
	walType  wal.Type
	segments map[string][]*handle[T] // by tenant, oldest ID first
	heads    func(*generation) heads[T]
}

// heads is a generation's heads of one signal, by tenant.
type heads[T any] map[string]*head.Head[T]

// generation is what was written between two flushes, of all tenants. Store.mu
// guards it while it is active; frozen it doesn't change.
type generation struct {
	logs  heads[telemetry.Log]
	spans heads[telemetry.Span]
	bytes int64
	began time.Time // when its first batch came
	// covers is set when it is frozen: everything before it in the write-ahead
	// log is in this generation or in segments.
	covers wal.Position
	// requests is set where the generation was replayed: what is remembered of
	// the requests before covers, which no file behind it repeats.
	requests *wal.Requests
}

func newGeneration() *generation {
	return &generation{logs: heads[telemetry.Log]{}, spans: heads[telemetry.Span]{}}
}

func (g *generation) empty() bool { return g.bytes == 0 }

func logSignal() *signal[telemetry.Log] {
	return &signal[telemetry.Log]{
		kind: record.Logs, codec: segment.Logs, walType: wal.Logs,
		segments: map[string][]*handle[telemetry.Log]{},
		heads:    func(g *generation) heads[telemetry.Log] { return g.logs },
	}
}

func spanSignal() *signal[telemetry.Span] {
	return &signal[telemetry.Span]{
		kind: record.Spans, codec: segment.Spans, walType: wal.Traces,
		segments: map[string][]*handle[telemetry.Span]{},
		heads:    func(g *generation) heads[telemetry.Span] { return g.spans },
	}
}

// insert puts a run into the active generation. Only the goroutine that
// replays, and then the log's committer, calls it.
func insert[T any](s *Store, sig *signal[T], tenant string, r *head.Run[T]) {
	r.Seq = s.runs
	s.runs++
	s.mu.RLock()
	active := s.active
	h := sig.heads(active)[tenant]
	s.mu.RUnlock()
	if h == nil {
		h = head.New(sig.kind)
	}
	before := r.Bytes
	commit := h.Plan(r)
	s.budget.force(r.Bytes - before)
	s.mu.Lock()
	defer s.mu.Unlock()
	sig.heads(active)[tenant] = h
	if active.empty() {
		active.began = s.deps.Now()
	}
	active.bytes += r.Bytes
	commit()
}

// view is what a read sees: the runs and segments of one moment. release must
// be called.
type view[T any] struct {
	runs    []*head.Run[T]
	handles []*handle[T]
	skipped int // segments out of the range
}

func (v *view[T]) release() {
	for _, h := range v.handles {
		h.release()
	}
}

func snapshot[T any](s *Store, sig *signal[T], tenant string, from, to int64) *view[T] {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v := &view[T]{}
	for _, g := range append(slices.Clip(s.frozen), s.active) {
		h := sig.heads(g)[tenant]
		if h == nil {
			continue
		}
		for _, r := range h.Snapshot() {
			if record.Overlaps(r.Min, r.Max, from, to) {
				v.runs = append(v.runs, r)
			}
		}
	}
	for _, h := range sig.segments[tenant] {
		if !record.Overlaps(h.meta.Min, h.meta.Max, from, to) {
			v.skipped++
			continue
		}
		h.acquire()
		v.handles = append(v.handles, h)
	}
	return v
}

// publish puts segments into the set and takes others out. s.mu is held.
func publish[T any](s *Store, sig *signal[T], add []*handle[T], remove []*handle[T]) {
	gone := map[*handle[T]]bool{}
	touched := map[string]bool{}
	for _, h := range remove {
		gone[h] = true
		touched[h.meta.Tenant] = true
	}
	byTenant := map[string][]*handle[T]{}
	for _, h := range add {
		byTenant[h.meta.Tenant] = append(byTenant[h.meta.Tenant], h)
		touched[h.meta.Tenant] = true
	}
	for tenant := range touched {
		var list []*handle[T]
		for _, h := range sig.segments[tenant] {
			if !gone[h] {
				list = append(list, h)
			}
		}
		list = append(list, byTenant[tenant]...)
		slices.SortFunc(list, func(a, b *handle[T]) int { return cmp.Compare(a.meta.ID, b.meta.ID) })
		if len(list) == 0 {
			delete(sig.segments, tenant)
		} else {
			sig.segments[tenant] = list
		}
	}
	measure(s, sig)
}

func measure[T any](s *Store, sig *signal[T]) {
	n, bytes := 0, int64(0)
	objects, objectBytes := 0, int64(0)
	for _, list := range sig.segments {
		n += len(list)
		for _, h := range list {
			bytes += h.meta.Bytes
			if h.remote() {
				objects++
				objectBytes += h.meta.Bytes
			}
		}
	}
	label := string(sig.kind.Signal)
	s.metrics.segments.WithLabelValues(label).Set(float64(n))
	s.metrics.segmentBytes.WithLabelValues(label).Set(float64(bytes))
	if m := s.objects.metrics; m != nil {
		m.Segments.WithLabelValues(label).Set(float64(objects))
		m.Bytes.WithLabelValues(label).Set(float64(objectBytes))
	}
}

// removed returns the IDs of handles, for an edit.
func removed[T any](hs []*handle[T]) []uint64 {
	out := make([]uint64, len(hs))
	for i, h := range hs {
		out[i] = h.meta.ID
	}
	return out
}

func metas[T any](hs []*handle[T]) []manifest.Segment {
	out := make([]manifest.Segment, len(hs))
	for i, h := range hs {
		out[i] = h.meta
	}
	return out
}
