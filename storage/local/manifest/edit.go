package manifest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/clewhq/clew/internal/framing"
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
	// Object is the key of the object that it is, "" for a local file.
	Object string
}

// Edit is one step from a state to the next.
type Edit struct {
	Add    []Segment
	Remove []uint64
	// WAL, if not zero, is the place in the write-ahead log before which
	// everything stands in segments.
	WAL wal.Position
	// Begun, if not zero, is the number of the newest write-ahead file.
	Begun uint64
	// Deletions are added, or take the place of those with their IDs; Forget
	// are the IDs of those that go.
	Deletions []Deletion
	Forget    []uint64
	// Doom are keys of objects that are to be deleted, unless an edit that adds
	// a segment says that they are Gone from that list. Removed segments that
	// are objects are on it by themselves.
	Doom []string
	// Gone are those that are deleted, or live.
	Gone []string
}

// Deletion is a request to remove records: those that were asked for and not
// yet made good, and the last ones that were.
type Deletion struct {
	ID       uint64
	Tenant   string
	Signal   telemetry.Signal
	Query    string // "" once it is done: it often names who is to be forgotten
	From, To int64
	Created  int64 // Unix nanoseconds
	Done     int64 // 0 while it is not
	Records  int64 // removed so far
}

// State is what holds.
type State struct {
	Segments  map[uint64]Segment
	Deletions map[uint64]Deletion
	Doomed    map[string]bool // keys of objects to be deleted
	WAL       wal.Position
	Begun     uint64 // the newest write-ahead file: where it is missing, it is lost
	// NextID is above the ID of every segment and deletion that there ever was.
	NextID uint64
}

func newState() State {
	return State{Segments: map[uint64]Segment{}, Deletions: map[uint64]Deletion{}, Doomed: map[string]bool{}, NextID: 1}
}

func (s *State) clone() State {
	c := *s
	c.Segments, c.Deletions, c.Doomed = maps.Clone(s.Segments), maps.Clone(s.Deletions), maps.Clone(s.Doomed)
	return c
}

func (s *State) apply(e *Edit) {
	for _, id := range e.Remove {
		if key := s.Segments[id].Object; key != "" {
			s.Doomed[key] = true
		}
		delete(s.Segments, id)
	}
	for _, key := range e.Doom {
		s.Doomed[key] = true
	}
	for _, key := range e.Gone {
		delete(s.Doomed, key)
	}
	for _, seg := range e.Add {
		s.Segments[seg.ID] = seg
		s.NextID = max(s.NextID, seg.ID+1)
	}
	if s.WAL.Less(e.WAL) {
		s.WAL = e.WAL
	}
	s.Begun = max(s.Begun, e.Begun)
	for _, id := range e.Forget {
		delete(s.Deletions, id)
	}
	for _, d := range e.Deletions {
		s.Deletions[d.ID] = d
		s.NextID = max(s.NextID, d.ID+1)
	}
}

// version is the layout of an edit.
const version = 4

// The kinds of edits.
const (
	kindSnapshot = 1 // everything that holds
	kindChange   = 2
	kindSynced   = 3 // no edit: what stands before it was synced
)

func appendEdit(dst []byte, kind byte, e *Edit, nextID uint64) []byte {
	dst = append(dst, kind, version)
	dst = binary.AppendUvarint(dst, nextID)
	dst = binary.AppendUvarint(dst, e.WAL.Seq)
	dst = binary.AppendUvarint(dst, uint64(e.WAL.Offset))
	dst = binary.AppendUvarint(dst, e.Begun)
	dst = binary.AppendUvarint(dst, uint64(len(e.Remove)))
	for _, id := range e.Remove {
		dst = binary.AppendUvarint(dst, id)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Add)))
	for i := range e.Add {
		dst = appendSegment(dst, &e.Add[i])
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Forget)))
	for _, id := range e.Forget {
		dst = binary.AppendUvarint(dst, id)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Deletions)))
	for i := range e.Deletions {
		dst = appendDeletion(dst, &e.Deletions[i])
	}
	return appendKeys(appendKeys(dst, e.Doom), e.Gone)
}

func appendKeys(dst []byte, keys []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(keys)))
	for _, k := range keys {
		dst = column.AppendString(dst, k)
	}
	return dst
}

func parseKeys(c *column.Cursor) []string {
	keys := make([]string, c.Count(1))
	for i := range keys {
		keys[i] = text(c)
	}
	return keys
}

func appendDeletion(dst []byte, d *Deletion) []byte {
	dst = binary.AppendUvarint(dst, d.ID)
	dst = column.AppendString(dst, d.Tenant)
	dst = column.AppendString(dst, string(d.Signal))
	dst = column.AppendString(dst, d.Query)
	for _, n := range []int64{d.From, d.To, d.Created, d.Done, d.Records} {
		dst = binary.AppendVarint(dst, n)
	}
	return dst
}

func parseDeletion(c *column.Cursor) (d Deletion) {
	d.ID = c.Uvarint()
	d.Tenant = text(c)
	d.Signal = telemetry.Signal(text(c))
	d.Query = text(c)
	for _, n := range []*int64{&d.From, &d.To, &d.Created, &d.Done, &d.Records} {
		*n = c.Varint()
	}
	return d
}

// text copies a string: the edit's bytes are not kept.
func text(c *column.Cursor) string { return strings.Clone(c.String()) }

func appendSegment(dst []byte, s *Segment) []byte {
	dst = binary.AppendUvarint(dst, s.ID)
	dst = column.AppendString(dst, s.Tenant)
	dst = column.AppendString(dst, string(s.Signal))
	dst = binary.AppendVarint(dst, int64(s.Day))
	dst = binary.AppendUvarint(dst, uint64(s.Rows))
	dst = binary.AppendVarint(dst, s.Min)
	dst = binary.AppendVarint(dst, s.Max)
	dst = binary.AppendUvarint(dst, uint64(s.Bytes))
	return column.AppendString(dst, s.Object)
}

func parseEdit(b []byte) (kind byte, e Edit, nextID uint64, err error) {
	c := column.NewCursor(b)
	kind = c.Byte()
	v := c.Byte()
	if c.Err() == nil && v != version {
		return 0, Edit{}, 0, fmt.Errorf("%w: version %d, this one reads %d", framing.ErrVersion, v, version)
	}
	if kind == kindSynced && c.Err() == nil && c.Len() == 0 {
		return kind, Edit{}, 0, nil
	}
	if kind != kindSnapshot && kind != kindChange {
		return 0, Edit{}, 0, fmt.Errorf("edit of kind %d, which there is none of", kind)
	}
	nextID = c.Uvarint()
	e.WAL.Seq, e.WAL.Offset = c.Uvarint(), int64(c.Uvarint())
	e.Begun = c.Uvarint()
	e.Remove = make([]uint64, c.Count(1))
	for i := range e.Remove {
		e.Remove[i] = c.Uvarint()
	}
	e.Add = make([]Segment, c.Count(9))
	for i := range e.Add {
		e.Add[i] = parseSegment(c)
	}
	e.Forget = make([]uint64, c.Count(1))
	for i := range e.Forget {
		e.Forget[i] = c.Uvarint()
	}
	e.Deletions = make([]Deletion, c.Count(9))
	for i := range e.Deletions {
		e.Deletions[i] = parseDeletion(c)
	}
	e.Doom, e.Gone = parseKeys(c), parseKeys(c)
	if c.Err() == nil && c.Len() > 0 {
		c.Fail("%d bytes left over", c.Len())
	}
	return kind, e, nextID, c.Err()
}

func parseSegment(c *column.Cursor) (s Segment) {
	s.ID = c.Uvarint()
	s.Tenant = text(c)
	s.Signal = telemetry.Signal(text(c))
	s.Day = record.Day(c.Varint())
	s.Rows = int64(c.Uvarint())
	s.Min, s.Max = c.Varint(), c.Varint()
	s.Bytes = int64(c.Uvarint())
	s.Object = text(c)
	return s
}

// snapshot returns the edit that makes s out of nothing.
func (s *State) snapshot() Edit {
	e := Edit{WAL: s.WAL, Begun: s.Begun}
	for _, id := range slices.Sorted(maps.Keys(s.Segments)) {
		e.Add = append(e.Add, s.Segments[id])
	}
	for _, id := range slices.Sorted(maps.Keys(s.Deletions)) {
		e.Deletions = append(e.Deletions, s.Deletions[id])
	}
	e.Doom = slices.Sorted(maps.Keys(s.Doomed))
	return e
}
