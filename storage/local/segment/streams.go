package segment

import (
	"encoding/binary"

	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/telemetry"
)

// StreamStats is what a segment holds of one stream.
type StreamStats struct {
	Stream         *telemetry.Stream
	Records, Bytes int64
	First, Last    int64
}

func (s *StreamStats) append(dst []byte) []byte {
	r, sc := &s.Stream.Resource, &s.Stream.Scope
	dst = column.AppendAttrList(dst, r.Attrs)
	dst = binary.AppendUvarint(dst, uint64(r.Dropped))
	dst = column.AppendString(dst, r.SchemaURL)
	dst = column.AppendString(dst, sc.Name)
	dst = column.AppendString(dst, sc.Version)
	dst = column.AppendAttrList(dst, sc.Attrs)
	dst = binary.AppendUvarint(dst, uint64(sc.Dropped))
	dst = column.AppendString(dst, sc.SchemaURL)
	dst = binary.AppendUvarint(dst, uint64(s.Records))
	dst = binary.AppendUvarint(dst, uint64(s.Bytes))
	dst = binary.AppendVarint(dst, s.First)
	return binary.AppendVarint(dst, s.Last)
}

func readStream(c *column.Cursor) (s StreamStats) {
	var r telemetry.Resource
	var sc telemetry.Scope
	r.Attrs = c.AttrList()
	r.Dropped, r.SchemaURL = uint32(c.Uvarint()), c.String()
	sc.Name, sc.Version = c.String(), c.String()
	sc.Attrs = c.AttrList()
	sc.Dropped, sc.SchemaURL = uint32(c.Uvarint()), c.String()
	s.Records, s.Bytes = int64(c.Uvarint()), int64(c.Uvarint())
	s.First, s.Last = c.Varint(), c.Varint()
	if c.Err() == nil {
		s.Stream = telemetry.NewStream(r, sc)
	}
	return s
}

func parseStreams(b []byte) ([]StreamStats, error) {
	c := column.NewCursor(b)
	out := make([]StreamStats, 0, c.Count(10))
	for range cap(out) {
		out = append(out, readStream(c))
		if c.Err() != nil {
			return nil, c.Err()
		}
	}
	return out, c.Err()
}

// streamBuilder numbers the streams of a segment as they come.
type streamBuilder struct {
	byPtr map[*telemetry.Stream]int
	byID  map[telemetry.StreamID]int
	list  []StreamStats
}

func newStreamBuilder() *streamBuilder {
	return &streamBuilder{byPtr: map[*telemetry.Stream]int{}, byID: map[telemetry.StreamID]int{}}
}

// add counts a record and returns its stream's number.
func (b *streamBuilder) add(s *telemetry.Stream, t, size int64) int {
	n, ok := b.byPtr[s]
	if !ok {
		if n, ok = b.byID[s.ID]; !ok {
			n = len(b.list)
			b.byID[s.ID] = n
			b.list = append(b.list, StreamStats{Stream: s, First: t, Last: t})
		}
		b.byPtr[s] = n
	}
	st := &b.list[n]
	st.Records++
	st.Bytes += size
	st.First, st.Last = min(st.First, t), max(st.Last, t)
	return n
}

// join counts what another segment holds of a stream and returns its number.
func (b *streamBuilder) join(in *StreamStats) int {
	n, ok := b.byID[in.Stream.ID]
	if !ok {
		n = len(b.list)
		b.byID[in.Stream.ID] = n
		b.list = append(b.list, *in)
		return n
	}
	st := &b.list[n]
	st.Records += in.Records
	st.Bytes += in.Bytes
	st.First, st.Last = min(st.First, in.First), max(st.Last, in.Last)
	return n
}

func (b *streamBuilder) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b.list)))
	for i := range b.list {
		dst = b.list[i].append(dst)
	}
	return dst
}
