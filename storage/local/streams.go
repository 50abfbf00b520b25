package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
)

// Streams implements storage.Reader.
func (s *Store) Streams(ctx context.Context, tenant string, sig telemetry.Signal, from, to int64, stats *storage.ReadStats) ([]storage.StreamInfo, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	switch sig {
	case telemetry.Logs:
		v := snapshot(s, s.logs, tenant, from, to)
		defer v.release()
		l := listStreams(ctx, s, v, from, to, stats)
		return s.logStreams(ctx, l, from, to, stats)
	case telemetry.Traces:
		v := snapshot(s, s.spans, tenant, from, to)
		defer v.release()
		return listStreams(ctx, s, v, from, to, stats).inOrder(), ctx.Err()
	}
	return nil, nil
}

// streamList is what the figures of the parts of the store tell of the streams
// of a range.
type streamList[T any] struct {
	sum map[telemetry.StreamID]*storage.StreamInfo
	// within are those that have a record in the range. Of the others each part
	// in open has records before and after it, and maybe none within.
	within map[telemetry.StreamID]bool
	open   view[T]
}

func listStreams[T any](ctx context.Context, s *Store, v *view[T], from, to int64, stats *storage.ReadStats) *streamList[T] {
	l := &streamList[T]{sum: map[telemetry.StreamID]*storage.StreamInfo{}, within: map[telemetry.StreamID]bool{}}
	for _, r := range v.runs {
		open := false
		for _, st := range r.Streams() {
			open = l.add(storage.StreamInfo(st), from, to) || open
		}
		if open {
			l.open.runs = append(l.open.runs, r)
		}
	}
	for _, h := range v.handles {
		if ctx.Err() != nil {
			break
		}
		r, err := h.open(ctx)
		if err != nil {
			warn(ctx, s, h, stats, err)
			continue
		}
		open := false
		for _, st := range r.Streams() {
			open = l.add(storage.StreamInfo(st), from, to) || open
		}
		if open {
			l.open.handles = append(l.open.handles, h)
		}
	}
	return l
}

// add takes in what a part holds of a stream, and reports whether that leaves
// open if there is a record in the range.
func (l *streamList[T]) add(in storage.StreamInfo, from, to int64) (open bool) {
	if !record.Overlaps(in.First, in.Last, from, to) {
		return false
	}
	id := in.Stream.ID
	open = in.First < from && to != 0 && in.Last >= to
	if !open {
		l.within[id] = true
	}
	st := l.sum[id]
	if st == nil {
		l.sum[id] = &in
		return open
	}
	st.Records += in.Records
	st.Bytes += in.Bytes
	st.First, st.Last = min(st.First, in.First), max(st.Last, in.Last)
	return open
}

func (l *streamList[T]) inOrder() []storage.StreamInfo {
	out := make([]storage.StreamInfo, 0, len(l.sum))
	for _, st := range l.sum {
		out = append(out, *st)
	}
	slices.SortFunc(out, func(a, b storage.StreamInfo) int { return bytes.Compare(a.Stream.ID[:], b.Stream.ID[:]) })
	return out
}

// logStreams leaves out what has no record in the range. Records of logs stand
// by stream, so that takes few blocks; those of spans would take all.
func (s *Store) logStreams(ctx context.Context, l *streamList[telemetry.Log], from, to int64, stats *storage.ReadStats) ([]storage.StreamInfo, error) {
	if len(l.within) < len(l.sum) {
		known := maps.Clone(l.within)
		q := storage.LogQuery{From: from, To: to, Stats: stats, Stream: func(st *telemetry.Stream) bool { return !known[st.ID] }}
		err := s.countIn(ctx, &l.open, q, 0, func(st *telemetry.Stream, _ int, _ int64) { l.within[st.ID] = true })
		if err != nil {
			return nil, err
		}
		maps.DeleteFunc(l.sum, func(id telemetry.StreamID, _ *storage.StreamInfo) bool { return !l.within[id] })
	}
	return l.inOrder(), ctx.Err()
}

// Tenants implements storage.Reader.
func (s *Store) Tenants(ctx context.Context) ([]string, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := map[string]bool{}
	for t := range s.logs.segments {
		names[t] = true
	}
	for t := range s.spans.segments {
		names[t] = true
	}
	for _, g := range append(slices.Clip(s.frozen), s.active) {
		for t := range g.logs {
			names[t] = true
		}
		for t := range g.spans {
			names[t] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), ctx.Err()
}

var (
	_ storage.LogVersioner  = (*Store)(nil)
	_ storage.SpanVersioner = (*Store)(nil)
)

// LogsVersion implements storage.LogVersioner.
func (s *Store) LogsVersion(ctx context.Context, tenant string, from, to int64) (storage.Version, error) {
	return version(ctx, s, s.logs, tenant, from, to)
}

// SpansVersion implements storage.SpanVersioner.
func (s *Store) SpansVersion(ctx context.Context, tenant string, from, to int64) (storage.Version, error) {
	return version(ctx, s, s.spans, tenant, from, to)
}

// version is made of the names of the parts of the store that overlap the
// range: a segment never changes, and of what is in memory every new batch
// changes the number of rows.
func version[T any](ctx context.Context, s *Store, sig *signal[T], tenant string, from, to int64) (storage.Version, error) {
	leave, err := s.enter()
	if err != nil {
		return storage.Version{}, err
	}
	defer leave()
	v := snapshot(s, sig, tenant, from, to)
	defer v.release()
	h := xxh3.New()
	var buf []byte
	for _, r := range v.runs {
		buf = binary.LittleEndian.AppendUint64(buf, r.Seq)
		buf = binary.LittleEndian.AppendUint64(buf, uint64(r.Len()))
	}
	buf = binary.LittleEndian.AppendUint64(buf, uint64(len(v.runs)))
	for _, h := range v.handles {
		if h.spoilt.Load() {
			return storage.Version{}, ctx.Err()
		}
		buf = binary.LittleEndian.AppendUint64(buf, h.meta.ID)
	}
	_, _ = h.Write(buf) // never fails
	sum := h.Sum128()
	return storage.Version{sum.Hi, sum.Lo | 1}, ctx.Err()
}
