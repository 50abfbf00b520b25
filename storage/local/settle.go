package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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
// file may be all there is. See adoptable.
func (s *Store) settle(manifestDamaged bool) error {
	state := s.manifest.State()
	oldest, err := s.oldestWAL()
	if err != nil {
		return err
	}
	files := map[uint64]bool{}
	var unnamed []found
	for id, meta := range state.Segments {
		files[id] = meta.Object != ""
	}
	err = s.paths.findSegments(func(f found) {
		meta, ok := state.Segments[f.id]
		switch {
		case !ok:
			unnamed = append(unnamed, f)
		case meta.Object != "": // a move was interrupted at its end
			_ = s.deps.FS.Remove(f.path)
		}
		files[f.id] = true
	}, func(string) {})
	if err == nil && manifestDamaged && s.objects.depot != nil {
		var more []found
		more, err = s.findObjects(state)
		for _, f := range more {
			files[f.id] = true
		}
		unnamed = append(unnamed, more...)
	}
	if err != nil {
		return err
	}
	slices.SortFunc(unnamed, func(a, b found) int { return cmp.Compare(a.id, b.id) })
	var edit manifest.Edit
	s.rescued(&edit, state, files)
	covered := map[uint64]wal.Position{} // of what is adopted
	for _, f := range unnamed {
		if s.adopt(&edit, f, state, manifestDamaged, oldest, files, covered) {
			continue
		}
		if manifestDamaged || f.key != "" {
			s.deps.Logger.Warn("segment that the damaged manifest doesn't name is left where it is, unused", "path", f.path)
			continue
		}
		s.deps.Logger.Info("removing a segment that was never published or is replaced", "path", f.path)
		_ = s.deps.FS.Remove(f.path)
	}
	for _, id := range edit.Remove {
		delete(state.Segments, id)
	}
	for id, meta := range state.Segments {
		if !files[id] {
			s.damaged(fileSegment, fmt.Errorf("segment %s: file missing", s.paths.segment(&meta)))
		}
	}
	if len(edit.Add) == 0 {
		return nil
	}
	s.damaged(fileManifest, fmt.Errorf("%d segments stand in no manifest and what they replace is gone: taken in", len(edit.Add)))
	return s.manifest.Apply(edit)
}

// oldestWAL is the number of the oldest write-ahead file, or one above all
// there ever was.
func (s *Store) oldestWAL() (uint64, error) {
	seqs, err := wal.Files(s.deps.FS, s.paths.wal())
	if err != nil {
		return 0, err
	}
	if len(seqs) == 0 {
		return ^uint64(0), nil
	}
	return seqs[0], nil
}

// adopt adds a file that the manifest doesn't name to the edit where what it
// was made from is gone, which happens only after its publication was durable:
// the write-ahead log that a flush covers, or a segment that a merge replaces.
func (s *Store) adopt(edit *manifest.Edit, f found, state manifest.State, damaged bool, oldestWAL uint64, files map[uint64]bool, covered map[uint64]wal.Position) bool {
	var in inspection
	var err error
	if f.signal == telemetry.Logs {
		in, err = inspect(s, f, segment.Logs)
	} else {
		in, err = inspect(s, f, segment.Spans)
	}
	if err != nil || record.DayOf(in.Min).String() != f.day {
		return false
	}
	covers := wal.Position(in.covers)
	flushed := released(covers, oldestWAL) && state.WAL.Less(covers)
	merged := false
	for _, id := range in.replaces {
		// One that is not named was replaced by something else, unless the edit
		// that named it is lost, too.
		_, named := state.Segments[id]
		if !named && id < state.NextID && !damaged || slices.Contains(edit.Remove, id) {
			merged = false
			break
		}
		merged = merged || !files[id]
	}
	if !flushed && !merged {
		return false
	}
	// A flush that failed and was tried again leaves its files too. They hold
	// the same; the last one counts.
	edit.Add = slices.DeleteFunc(edit.Add, func(o manifest.Segment) bool {
		return flushed && o.Tenant == f.tenant && o.Signal == f.signal && o.Day.String() == f.day && covered[o.ID] == covers
	})
	// So do inputs of a merge that were not all removed yet.
	edit.Add = slices.DeleteFunc(edit.Add, func(o manifest.Segment) bool { return slices.Contains(in.replaces, o.ID) })
	covered[f.id] = covers
	edit.Add = append(edit.Add, manifest.Segment{
		ID: f.id, Tenant: f.tenant, Signal: f.signal, Day: record.DayOf(in.Min),
		Rows: in.Rows, Min: in.Min, Max: in.Max, Bytes: in.Bytes, Object: f.key,
	})
	edit.Remove = append(edit.Remove, in.replaces...)
	if edit.WAL.Less(covers) {
		edit.WAL = covers
	}
	return true
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

func inspect[T any](s *Store, f found, codec *segment.Codec[T]) (inspection, error) {
	files := s.deps.FS
	if f.key != "" {
		files = s.objects.depot.Files(f.key, f.bytes, false)
	}
	r, err := segment.Open(files, f.path, codec)
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
		var err error
		if meta.Signal == telemetry.Logs {
			_, err = inspect(s, found{path: s.paths.segment(meta)}, segment.Logs)
		} else {
			_, err = inspect(s, found{path: s.paths.segment(meta)}, segment.Spans)
		}
		if errors.Is(err, framing.ErrVersion) {
			return err
		}
	}
	return nil
}
