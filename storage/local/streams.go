package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/clewhq/clew/storage"
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
		return streams(ctx, s, s.logs, tenant, from, to, stats)
	case telemetry.Traces:
		return streams(ctx, s, s.spans, tenant, from, to, stats)
	}
	return nil, nil
}

func streams[T any](ctx context.Context, s *Store, sig *signal[T], tenant string, from, to int64, stats *storage.ReadStats) ([]storage.StreamInfo, error) {
	v := snapshot(s, sig, tenant, from, to)
	defer v.release()
	sum := map[telemetry.StreamID]*storage.StreamInfo{}
	add := func(in storage.StreamInfo) {
		if in.Last < from || to != 0 && in.First >= to {
			return
		}
		st := sum[in.Stream.ID]
		if st == nil {
			sum[in.Stream.ID] = &in
			return
		}
		st.Records += in.Records
		st.Bytes += in.Bytes
		st.First, st.Last = min(st.First, in.First), max(st.Last, in.Last)
	}
	for _, r := range v.runs {
		for _, st := range r.Streams() {
			add(storage.StreamInfo(st))
		}
	}
	for _, h := range v.handles {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := h.open(ctx)
		if err != nil {
			warn(ctx, s, h, stats, err)
			continue
		}
		for _, st := range r.Streams() {
			add(storage.StreamInfo(st))
		}
	}
	out := make([]storage.StreamInfo, 0, len(sum))
	for _, st := range sum {
		out = append(out, *st)
	}
	slices.SortFunc(out, func(a, b storage.StreamInfo) int { return bytes.Compare(a.Stream.ID[:], b.Stream.ID[:]) })
	return out, ctx.Err()
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
