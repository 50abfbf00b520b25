package manifest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry"
)

// Segment is what the manifest knows of a segment.
type Segment struct {
	ID       uint64
	Tenant   string
	Signal   telemetry.Signal
	Day      record.Day
	Rows     int64
	Min, Max int64 // times
	Bytes    int64
}

// Edit is one step from a state to the next.
type Edit struct {
	Add    []Segment
	Remove []uint64
	// WAL, if not zero, is the place in the write-ahead log before which
	// everything stands in segments.
	WAL wal.Position
}

// State is what holds.
type State struct {
	Segments map[uint64]Segment
	WAL      wal.Position
	// NextID is above every segment's ID that was ever published.
	NextID uint64
}

func newState() State { return State{Segments: map[uint64]Segment{}, NextID: 1} }

func (s *State) apply(e *Edit) {
	for _, id := range e.Remove {
		delete(s.Segments, id)
	}
	for _, seg := range e.Add {
		s.Segments[seg.ID] = seg
		s.NextID = max(s.NextID, seg.ID+1)
	}
	if s.WAL.Less(e.WAL) {
		s.WAL = e.WAL
	}
}

// version is the layout of an edit.
const version = 1

// The kinds of edits.
const (
	kindSnapshot = 1 // everything that holds
	kindChange   = 2
)

func appendEdit(dst []byte, kind byte, e *Edit, nextID uint64) []byte {
	dst = append(dst, kind, version)
	dst = binary.AppendUvarint(dst, nextID)
	dst = binary.AppendUvarint(dst, e.WAL.Seq)
	dst = binary.AppendUvarint(dst, uint64(e.WAL.Offset))
	dst = binary.AppendUvarint(dst, uint64(len(e.Remove)))
	for _, id := range e.Remove {
		dst = binary.AppendUvarint(dst, id)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Add)))
	for i := range e.Add {
		dst = appendSegment(dst, &e.Add[i])
	}
	return dst
}

func appendSegment(dst []byte, s *Segment) []byte {
	dst = binary.AppendUvarint(dst, s.ID)
	dst = column.AppendString(dst, s.Tenant)
	dst = column.AppendString(dst, string(s.Signal))
	dst = binary.AppendVarint(dst, int64(s.Day))
	dst = binary.AppendUvarint(dst, uint64(s.Rows))
	dst = binary.AppendVarint(dst, s.Min)
	dst = binary.AppendVarint(dst, s.Max)
	return binary.AppendUvarint(dst, uint64(s.Bytes))
}

func parseEdit(b []byte) (kind byte, e Edit, nextID uint64, err error) {
	c := column.NewCursor(b)
	kind = c.Byte()
	if v := c.Byte(); v != version || kind != kindSnapshot && kind != kindChange {
		return 0, Edit{}, 0, fmt.Errorf("edit of kind %d, version %d: this program reads version %d", kind, v, version)
	}
	nextID = c.Uvarint()
	e.WAL.Seq, e.WAL.Offset = c.Uvarint(), int64(c.Uvarint())
	e.Remove = make([]uint64, c.Count(1))
	for i := range e.Remove {
		e.Remove[i] = c.Uvarint()
	}
	e.Add = make([]Segment, c.Count(8))
	for i := range e.Add {
		s := &e.Add[i]
		s.ID = c.Uvarint()
		// The edit's bytes are not kept.
		s.Tenant = string([]byte(c.String()))
		s.Signal = telemetry.Signal([]byte(c.String()))
		s.Day = record.Day(c.Varint())
		s.Rows = int64(c.Uvarint())
		s.Min, s.Max = c.Varint(), c.Varint()
		s.Bytes = int64(c.Uvarint())
	}
	if c.Err() == nil && c.Len() > 0 {
		c.Fail("%d bytes left over", c.Len())
	}
	return kind, e, nextID, c.Err()
}

// snapshot returns the edit that makes s out of nothing.
func (s *State) snapshot() Edit {
	e := Edit{WAL: s.WAL}
	for _, id := range slices.Sorted(maps.Keys(s.Segments)) {
		e.Add = append(e.Add, s.Segments[id])
	}
	return e
}
