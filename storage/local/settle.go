package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/depot"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/local/segment"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry"
)

func timeOf(d model.Duration) time.Duration { return time.Duration(d) }

// found is a segment file in the data directory.
type found struct {
	tenant string
	signal telemetry.Signal
	day    string
	id     uint64
	path   string
	// key and bytes are of an object, and zero for a file.
	key   string
	bytes int64
}

func (f *found) partitionKey() partitionKey { return partitionKey{f.tenant, f.signal, f.day} }

// findSegments lists the segment files, and calls stray for others.
func (p *paths) findSegments(each func(found), stray func(path string)) error {
	tenants, err := p.fs.List(p.segments())
	if err != nil {
		return fmt.Errorf("list segments: %w", err)
	}
	for _, tenant := range tenants {
		for _, sig := range []telemetry.Signal{telemetry.Logs, telemetry.Traces} {
			dir := p.fs.PathJoin(p.segments(), tenant, string(sig))
			days, err := p.fs.List(dir)
			if err != nil {
				continue // a tenant need not have both
			}
			for _, day := range days {
				names, err := p.fs.List(p.fs.PathJoin(dir, day))
				if err != nil {
					stray(p.fs.PathJoin(dir, day))
					continue
				}
				for _, n := range names {
					path := p.fs.PathJoin(dir, day, n)
					id, ok := parseSegmentName(n)
					if !ok {
						stray(path)
						continue
					}
					each(found{tenant: tenant, signal: sig, day: day, id: id, path: path})
				}
			}
		}
	}
	return nil
}

// findObjects lists the objects that no manifest names.
func (s *Store) findObjects(state manifest.State) (out []found, err error) {
	named := map[string]bool{}
	for _, m := range state.Segments {
		named[m.Object] = true
	}
	ctx, cancel := context.WithTimeout(context.Background(), listTimeout)
	defer cancel()
	err = s.objects.depot.List(ctx, func(i object.Info) error {
		p, ok := depot.ParseKey(i.Key)
		if ok && !named[i.Key] && !state.Doomed[i.Key] {
			out = append(out, found{p.Tenant, telemetry.Signal(p.Signal), p.Day, p.ID, s.objects.depot.Name(i.Key), i.Key, i.Size})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the manifest is damaged, and what it does not name any more may be in object storage: %w", err)
	}
	return out, nil
}

// listTimeout bounds how long a start with a damaged manifest looks for objects.
const listTimeout = 10 * time.Minute

// settle compares the files with the manifest. A file that no manifest names
// is what a crash left of a flush, a merge or a removal, and is removed; the
// data are elsewhere. The exception is a manifest that lost an edit: then the
// file may be all there is. See adopt.
func (s *Store) settle(manifestDamaged bool) error {
	oldest, err := s.paths.oldestWAL()
	if err != nil {
		return err
	}
	t := newSettlement(s.manifest.State(), manifestDamaged, oldest, s.paths.segment, s.inspect)
	unnamed, err := t.compare(s.paths, func(path string) { _ = s.deps.FS.Remove(path) }, func(string) {})
	if err == nil && manifestDamaged && s.objects.depot != nil {
		var more []found
		more, err = s.findObjects(t.state)
		for _, f := range more {
			t.there[f.id] = true
		}
		unnamed = append(unnamed, more...)
	}
	if err != nil {
		return err
	}
	slices.SortFunc(unnamed, func(a, b found) int { return cmp.Compare(a.id, b.id) })
	t.rescue()
	for _, f := range unnamed {
		if in, err := s.inspect(f); err == nil && t.adopt(f, in) {
			continue
		}
		if manifestDamaged || f.key != "" {
			s.deps.Logger.Warn("segment that the damaged manifest doesn't name is left where it is, unused", "path", f.path)
			continue
		}
		s.deps.Logger.Info("removing a segment that was never published or is replaced", "path", f.path)
		_ = s.deps.FS.Remove(f.path)
	}
	for _, meta := range t.missing() {
		s.damaged(fileSegment, fmt.Errorf("segment %s: file missing", s.paths.segment(&meta)))
	}
	if len(t.edit.Add) == 0 {
		return nil
	}
	s.damaged(fileManifest, fmt.Errorf("%d segments stand in no manifest and what they replace is gone: taken in", len(t.edit.Add)))
	return s.manifest.Apply(t.edit)
}

// inspect reads what a segment says of itself, wherever it is.
func (s *Store) inspect(f found) (inspection, error) {
	files := s.deps.FS
	if f.key != "" {
		files = s.objects.depot.Files(f.key, f.bytes, false)
	}
	return inspectFound(files, f)
}

// settlement finds out what became of files that no manifest names.
type settlement struct {
	state   manifest.State
	damaged bool            // the manifest is
	oldest  uint64          // number of the oldest write-ahead file
	there   map[uint64]bool // IDs of the segments whose files, or objects, are there
	covered map[uint64]wal.Position
	edit    manifest.Edit // says what is taken in
	path    func(*manifest.Segment) string
	inspect func(found) (inspection, error)
	// What the segments that the manifest names are made of; nil until somebody
	// asks.
	flushed  map[flush]bool
	replaced map[uint64]bool
}

// flush is the part of a flush that becomes one segment.
type flush struct {
	place  partitionKey
	covers wal.Position
}

// partitionKey names a day of a signal of a tenant.
type partitionKey struct {
	tenant string
	signal telemetry.Signal
	day    string
}

func newSettlement(state manifest.State, damaged bool, oldestWAL uint64,
	path func(*manifest.Segment) string, inspect func(found) (inspection, error),
) *settlement {
	t := &settlement{
		state: state, damaged: damaged, oldest: oldestWAL, path: path, inspect: inspect,
		there: map[uint64]bool{}, covered: map[uint64]wal.Position{},
	}
	for id, meta := range state.Segments {
		t.there[id] = meta.Object != ""
	}
	return t
}

// compare lists the files that no manifest names. moved is called for those of
// segments that are objects: a move was interrupted at its end; stray for files
// that are none of the store's, or in a place where they are not looked for.
func (t *settlement) compare(p *paths, moved, stray func(path string)) (unnamed []found, err error) {
	err = p.findSegments(func(f found) {
		meta, ok := t.state.Segments[f.id]
		object := meta.Object != ""
		meta.Object = ""
		switch {
		case !ok:
			unnamed = append(unnamed, f)
		case f.path != t.path(&meta):
			stray(f.path)
			return
		case object:
			moved(f.path)
		}
		t.there[f.id] = true
	}, stray)
	slices.SortFunc(unnamed, func(a, b found) int { return cmp.Compare(a.id, b.id) })
	return unnamed, err
}

// rescue takes the segments in whose files are gone though the manifest names
// them, where an object is doomed that was made of them: the edit that said so
// is lost.
func (t *settlement) rescue() {
	for key := range t.state.Doomed {
		place, ok := depot.ParseKey(key)
		meta, named := t.state.Segments[place.ID]
		if !ok || !named || t.there[place.ID] {
			continue
		}
		meta.Object = key
		t.edit.Add = append(t.edit.Add, meta)
		t.edit.Gone = append(t.edit.Gone, key)
		t.there[place.ID] = true
	}
}

// missing lists the segments that the manifest names and that are nowhere.
func (t *settlement) missing() (out []manifest.Segment) {
	for id, meta := range t.state.Segments {
		if !t.there[id] && !slices.Contains(t.edit.Remove, id) {
			out = append(out, meta)
		}
	}
	return out
}

// oldestWAL is the number of the oldest write-ahead file, or one above all
// there ever was.
func (p *paths) oldestWAL() (uint64, error) {
	seqs, err := wal.Files(p.fs, p.wal())
	if err != nil {
		return 0, err
	}
	if len(seqs) == 0 {
		return ^uint64(0), nil
	}
	return seqs[0], nil
}

// adopt takes a file in that the manifest doesn't name where what it was made
// from is gone, which happens only after its publication was durable: the
// write-ahead log that a flush covers, or a segment that a merge replaces.
func (t *settlement) adopt(f found, in inspection) bool {
	if record.DayOf(in.Min).String() != f.day {
		return false
	}
	covers := wal.Position(in.covers)
	flushed := released(covers, t.oldest) && (t.state.WAL.Less(covers) || t.damaged && t.forgotten(f, covers))
	merged := false
	for _, id := range in.replaces {
		// One that is not named was replaced by something else, unless the edit
		// that named it is lost, too.
		_, named := t.state.Segments[id]
		if !named && id < t.state.NextID && !t.damaged || slices.Contains(t.edit.Remove, id) {
			merged = false
			break
		}
		merged = merged || !t.there[id]
	}
	if !flushed && !merged {
		return false
	}
	// A flush that failed and was tried again leaves its files too. They hold
	// the same; the last one counts.
	t.edit.Add = slices.DeleteFunc(t.edit.Add, func(o manifest.Segment) bool {
		return flushed && o.Tenant == f.tenant && o.Signal == f.signal && o.Day.String() == f.day && t.covered[o.ID] == covers
	})
	// So do inputs of a merge that were not all removed yet.
	t.edit.Add = slices.DeleteFunc(t.edit.Add, func(o manifest.Segment) bool { return slices.Contains(in.replaces, o.ID) })
	t.covered[f.id] = covers
	t.edit.Add = append(t.edit.Add, manifest.Segment{
		ID: f.id, Tenant: f.tenant, Signal: f.signal, Day: record.DayOf(in.Min),
		Rows: in.Rows, Min: in.Min, Max: in.Max, Bytes: in.Bytes, Object: f.key,
	})
	t.edit.Remove = append(t.edit.Remove, in.replaces...)
	if t.edit.WAL.Less(covers) {
		t.edit.WAL = covers
	}
	return true
}

// forgotten reports whether a segment that was flushed has no edit though later
// flushes have: no live segment holds what it holds.
func (t *settlement) forgotten(f found, covers wal.Position) bool {
	if t.flushed == nil {
		t.flushed, t.replaced = map[flush]bool{}, map[uint64]bool{}
		for _, m := range t.state.Segments {
			live := found{m.Tenant, m.Signal, m.Day.String(), m.ID, t.path(&m), m.Object, m.Bytes}
			in, err := t.inspect(live)
			if err != nil {
				continue
			}
			t.flushed[flush{live.partitionKey(), wal.Position(in.covers)}] = true
			for _, id := range in.replaces {
				t.replaced[id] = true
			}
		}
	}
	return !t.replaced[f.id] && !t.flushed[flush{f.partitionKey(), covers}]
}

// released reports whether everything before the position is gone from the
// write-ahead log.
func released(covers wal.Position, oldestWAL uint64) bool {
	return covers.Seq > 0 && (covers.Seq < oldestWAL || covers.Seq == oldestWAL && covers.Offset <= framing.HeaderSize)
}

type inspection struct {
	segment.Info
	covers   segment.Covers
	replaces []uint64
}

func inspectFound(files vfs.FS, f found) (inspection, error) {
	if f.signal == telemetry.Logs {
		return inspect(files, f.path, segment.Logs)
	}
	return inspect(files, f.path, segment.Spans)
}

func inspect[T any](files vfs.FS, path string, codec *segment.Codec[T]) (inspection, error) {
	r, err := segment.Open(context.Background(), files, path, codec)
	if err != nil {
		return inspection{}, err
	}
	return inspection{r.Info(), r.Covers(), r.Replaces()}, r.Close()
}

// checkVersion refuses a directory whose segments another version of the
// program wrote: each query would miss them, and say so, and no merge would
// touch them. It looks at the oldest and the newest one, so that a start stays
// quick.
func (s *Store) checkVersion(state manifest.State) error {
	var oldest, newest *manifest.Segment
	for _, meta := range state.Segments {
		if meta.Object != "" {
			continue
		}
		if oldest == nil || meta.ID < oldest.ID {
			oldest = &meta
		}
		if newest == nil || meta.ID > newest.ID {
			newest = &meta
		}
	}
	for _, meta := range []*manifest.Segment{oldest, newest} {
		if meta == nil {
			continue
		}
		_, err := inspectFound(s.deps.FS, found{signal: meta.Signal, path: s.paths.segment(meta)})
		if errors.Is(err, framing.ErrVersion) {
			return err
		}
	}
	return nil
}
