package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage/local/depot"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/local/segment"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// Problem is something wrong with a data directory.
type Problem struct {
	File   string
	Offset int64
	Text   string
}

// String returns the problem in a line.
func (p Problem) String() string { return fmt.Sprintf("%s, offset %d: %s", p.File, p.Offset, p.Text) }

// Report is what Check found.
type Report struct {
	// Objects are those of Segments that are in object storage, UnseenObjects
	// the segments there that were not looked at, since it is not known where.
	Objects, UnseenObjects int64
	Segments, Records      int64 // in segments
	WALFiles               int64
	WALRecords             int64 // requests in the write-ahead log that are in no segment yet
	Bytes                  int64 // of segments
	Problems               []Problem
	// Notes are no problems: what a crash leaves and a start tidies up.
	Notes []string
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

func (r *Report) problem(file string, offset int64, err error) {
	r.Problems = append(r.Problems, Problem{File: file, Offset: offset, Text: err.Error()})
}

// Check is CheckAll without what is in object storage.
func Check(dir string, fs vfs.FS) (Report, error) {
	return CheckAll(context.Background(), dir, fs, object.Config{})
}

// CheckAll reads everything in a data directory that no running store uses, and
// in its object storage, and compares every checksum, and indexes with data. An
// error means that it could not be checked, not that something in it is wrong.
func CheckAll(ctx context.Context, dir string, fs vfs.FS, objects object.Config) (Report, error) {
	if fs == nil {
		fs = vfs.Default
	}
	p := newPaths(fs, dir)
	if _, err := fs.Stat(p.manifest()); err != nil {
		return Report{}, fmt.Errorf("check %s: it is not the directory of a store: %w", dir, err)
	}
	lock, err := fs.Lock(p.join(lockName))
	if err != nil {
		return Report{}, fmt.Errorf("check %s: another process is using it: %w", dir, err)
	}
	defer func() { _ = lock.Close() }()
	r := &Report{}
	state, damages, err := manifest.Load(fs, p.manifest())
	if err != nil {
		return Report{}, fmt.Errorf("check %s: %w", dir, err)
	}
	for _, d := range damages {
		r.problem(fs.PathJoin(p.manifest(), d.File), d.Offset, d.Err)
	}
	if err := r.checkSegments(fs, p, state); err != nil {
		return Report{}, fmt.Errorf("check %s: %w", dir, err)
	}
	if err := r.checkObjects(ctx, fs, p, state, objects); err != nil {
		return Report{}, fmt.Errorf("check %s: %w", dir, err)
	}
	if err := r.checkWAL(fs, p, state.WAL); err != nil {
		return Report{}, fmt.Errorf("check %s: %w", dir, err)
	}
	return *r, nil
}

func (r *Report) checkSegments(fs vfs.FS, p *paths, state manifest.State) error {
	there := map[uint64]bool{}
	err := p.findSegments(func(f found) {
		there[f.id] = true
		if _, ok := state.Segments[f.id]; !ok {
			r.Notes = append(r.Notes, fmt.Sprintf("%s is in no manifest; the next start removes it, or takes it in where nothing else has its data", f.path))
		}
	}, func(path string) {
		r.Notes = append(r.Notes, path+" is no file of the store")
	})
	if err != nil {
		return err
	}
	for id, meta := range state.Segments {
		if meta.Object != "" {
			continue
		}
		if !there[id] {
			r.problem(p.segment(&meta), 0, errors.New("the manifest names it, but the file is missing"))
			continue
		}
		if meta.Signal == telemetry.Logs {
			checkSegment(r, fs, p.segment(&meta), segment.Logs, meta)
		} else {
			checkSegment(r, fs, p.segment(&meta), segment.Spans, meta)
		}
	}
	return nil
}

// checkObjects reads every object that the manifest names, and says which ones
// nothing names.
func (r *Report) checkObjects(ctx context.Context, fs vfs.FS, p *paths, state manifest.State, cfg object.Config) error {
	named := map[string]manifest.Segment{}
	for _, m := range state.Segments {
		if m.Object != "" {
			named[m.Object] = m
		}
	}
	if !cfg.On() {
		r.UnseenObjects = int64(len(named))
		return nil
	}
	in, err := depot.Inspect(cfg, fs, p.join(objectsDir), noClock)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	if err := in.Owner(ctx); err != nil && (len(named) > 0 || !errors.Is(err, object.ErrNotOwner)) {
		return err
	}
	sizes, err := in.List(ctx)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(sizes)) {
		if _, ok := named[key]; !ok && state.Doomed[key] {
			r.Notes = append(r.Notes, in.Name(key)+" is not needed any more; the store deletes it when it runs")
		} else if !ok {
			r.Notes = append(r.Notes, in.Name(key)+" is in no manifest: nothing reads it, and it can be deleted where the manifest was never damaged")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(named)) {
		meta, name := named[key], in.Name(key)
		r.Objects++
		size, there := sizes[key]
		if !there {
			r.problem(name, 0, errors.New("the manifest names it, but the object is missing"))
			continue
		}
		if size != meta.Bytes {
			r.problem(name, 0, fmt.Errorf("it has %d bytes, the manifest says %d", size, meta.Bytes))
		}
		if tail, err := in.VerifyTail(key, meta.Bytes); err != nil {
			r.problem(tail, 0, fmt.Errorf("the local copy of an object's indexes: %w; without it they are read from the object", err))
		}
		if meta.Signal == telemetry.Logs {
			checkSegment(r, in.Files(ctx, key, size), name, segment.Logs, meta)
		} else {
			checkSegment(r, in.Files(ctx, key, size), name, segment.Spans, meta)
		}
	}
	return ctx.Err()
}

// noClock is for what measures nothing.
func noClock() time.Time { return time.Time{} }

func checkSegment[T any](r *Report, fs vfs.FS, path string, codec *segment.Codec[T], meta manifest.Segment) {
	bad := func(err error) {
		var c *segment.CorruptionError
		if errors.As(err, &c) {
			r.problem(c.Path, c.Offset, fmt.Errorf("%s: %w", c.Part, c.Err))
			return
		}
		r.problem(path, 0, err)
	}
	rd, err := segment.Open(fs, path, codec)
	if err != nil {
		bad(err)
		return
	}
	defer func() { _ = rd.Close() }()
	info := rd.Info()
	r.Segments++
	r.Records += info.Rows
	r.Bytes += info.Bytes
	if info.Rows != meta.Rows || info.Bytes != meta.Bytes || info.Min != meta.Min || info.Max != meta.Max {
		bad(fmt.Errorf("it has %d records in %d bytes, the manifest says %d in %d", info.Rows, info.Bytes, meta.Rows, meta.Bytes))
	}
	rd.Verify(bad)
}

func (r *Report) checkWAL(fs vfs.FS, p *paths, from wal.Position) error {
	each := func(rec wal.Record, pos wal.Position) error {
		var err error
		switch rec.Type {
		case wal.Logs:
			_, err = otlp.DecodeLogs(rec.Data)
		case wal.Traces:
			_, err = otlp.DecodeSpans(rec.Data)
		case wal.Hashes:
			return nil
		default:
			err = fmt.Errorf("record of unknown type %d", rec.Type)
		}
		if err != nil {
			r.problem(fs.PathJoin(p.wal(), wal.FileName(pos.Seq)), pos.Offset, fmt.Errorf("the record that ends here: %w", err))
		}
		if from.Less(pos) {
			r.WALRecords++
		}
		return nil
	}
	end, err := wal.Replay(fs, p.wal(), from, each, func(e *wal.CorruptionError) {
		r.problem(fs.PathJoin(e.Dir, e.Segment), e.Offset, e.Err)
	})
	if err != nil {
		return err
	}
	if end.Torn > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%s: %d bytes at the end are no whole record and were never acknowledged; the next start cuts them",
			fs.PathJoin(p.wal(), wal.FileName(end.TornAt.Seq)), end.Torn))
	}
	seqs, err := wal.Files(fs, p.wal())
	r.WALFiles = int64(len(seqs))
	return err
}
