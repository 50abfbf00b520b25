package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage/local/closing"
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
		return Report{}, fmt.Errorf("check %s: another process is using it: %w", dir, withRemedy(err))
	}
	defer func() { _ = lock.Close() }()
	c := &checker{Report: &Report{}}
	if c.fs, err = c.withoutGone(fs, p.wal(), p.segments()); err != nil {
		return Report{}, fmt.Errorf("check %s: %w", dir, err)
	}
	c.p = newPaths(c.fs, dir)
	for _, step := range []func() error{
		c.closing, c.manifest, c.segments,
		func() error { return c.objects(ctx, objects) },
		c.wal,
	} {
		if err := step(); err != nil {
			return Report{}, fmt.Errorf("check %s: %w", dir, withRemedy(err))
		}
	}
	return *c.Report, nil
}

// checker fills a report.
type checker struct {
	*Report
	fs    vfs.FS
	p     *paths
	found manifest.Found
	// closed is set where the store was closed, so that nothing was cut short.
	closed bool
}

// filled is a file system in which directories that are gone are empty.
type filled struct {
	vfs.FS
	gone map[string]bool
}

// List implements vfs.FS.
func (f filled) List(dir string) ([]string, error) {
	if f.gone[dir] {
		return nil, nil
	}
	return f.FS.List(dir)
}

// withoutGone reports the directories that are gone, and has the check go on as
// if they were empty, so that it says what is missed.
func (c *checker) withoutGone(files vfs.FS, dirs ...string) (vfs.FS, error) {
	gone := map[string]bool{}
	for _, dir := range dirs {
		info, err := files.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.problem(dir, 0, errors.New("the directory is missing, with all that was in it"))
		case err != nil:
			return nil, err
		case !info.IsDir():
			c.problem(dir, 0, errors.New("it is a file, and a directory is wanted in its place"))
		default:
			continue
		}
		gone[dir] = true
	}
	return filled{files, gone}, nil
}

// closing compares the files with the note that a store leaves.
func (c *checker) closing() error {
	note, err := closing.Read(c.fs, c.p.root)
	if errors.Is(err, closing.ErrDamaged) {
		c.problem(c.p.join(closing.Name), 0, err)
		return nil
	}
	if err != nil {
		return err
	}
	c.closed = note != nil
	differences, err := note.Compare(c.fs, c.p.root, appended...)
	for _, d := range differences {
		c.problem(c.p.join(d.Dir, d.File), max(0, d.Got), d)
	}
	return err
}

// cut is a file that ends in something that is not whole.
func (c *checker) cut(file string, offset, bytes int64) {
	if c.closed {
		c.problem(file, offset, fmt.Errorf("the last %d bytes are not readable, and the store was closed behind them", bytes))
		return
	}
	c.Notes = append(c.Notes, fmt.Sprintf("%s: the last %d bytes are not whole, as a crash leaves it; they were never acknowledged, and the next start cuts them", file, bytes))
}

func (c *checker) manifest() (err error) {
	if c.found, err = manifest.Load(c.fs, c.p.manifest()); err != nil {
		return err
	}
	for _, d := range c.found.Damages {
		c.problem(c.fs.PathJoin(c.p.manifest(), d.File), d.Offset, d.Err)
	}
	if t := c.found.Torn; t != nil {
		c.cut(c.fs.PathJoin(c.p.manifest(), t.File), t.Offset, t.Bytes)
	}
	return nil
}

// segments reads the files of segments, and says which ones nothing names.
func (c *checker) segments() error {
	oldest, err := c.p.oldestWAL()
	if err != nil {
		return err
	}
	look := func(f found) (inspection, error) { return inspectFound(c.fs, f) }
	t := newSettlement(c.found.State, len(c.found.Damages) > 0, oldest, c.p.segment, look)
	unnamed, err := t.compare(c.p, func(path string) {
		c.Notes = append(c.Notes, path+" was moved to object storage; the next start removes it")
	}, func(path string) {
		c.Notes = append(c.Notes, path+" is no file of the store")
	})
	if err != nil {
		return err
	}
	for _, f := range unnamed {
		in, err := look(f)
		switch {
		case err != nil:
			c.Notes = append(c.Notes, fmt.Sprintf("%s is in no manifest, and not readable: %v; the next start removes it unless the manifest is damaged", f.path, err))
		case t.adopt(f, in):
			c.problem(f.path, 0, errors.New("it is in no manifest, and what it was made from is gone: the manifest lost the edit that names it. The next start takes it in"))
		default:
			c.Notes = append(c.Notes, f.path+" is in no manifest; the next start removes it, since its data are elsewhere")
		}
	}
	for _, meta := range t.missing() {
		c.problem(c.p.segment(&meta), 0, errors.New("the manifest names it, but the file is missing"))
	}
	for id, meta := range c.found.Segments {
		if meta.Object == "" && t.there[id] {
			c.segment(c.fs, c.p.segment(&meta), meta)
		}
	}
	return nil
}

// checkObjects reads every object that the manifest names, and says which ones
// nothing names.
func (c *checker) objects(ctx context.Context, cfg object.Config) error {
	named := map[string]manifest.Segment{}
	for _, m := range c.found.Segments {
		if m.Object != "" {
			named[m.Object] = m
		}
	}
	if !cfg.On() {
		c.UnseenObjects = int64(len(named))
		return nil
	}
	in, err := depot.Inspect(cfg, c.fs, c.p.join(objectsDir), noClock)
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
		if _, ok := named[key]; !ok && c.found.Doomed[key] {
			c.Notes = append(c.Notes, in.Name(key)+" is not needed any more; the store deletes it when it runs")
		} else if !ok {
			c.Notes = append(c.Notes, in.Name(key)+" is in no manifest: nothing reads it, and it can be deleted where the manifest was never damaged")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(named)) {
		meta, name := named[key], in.Name(key)
		c.Objects++
		size, there := sizes[key]
		if !there {
			c.problem(name, 0, errors.New("the manifest names it, but the object is missing"))
			continue
		}
		if size != meta.Bytes {
			c.problem(name, 0, fmt.Errorf("it has %d bytes, the manifest says %d", size, meta.Bytes))
		}
		if tail, err := in.VerifyTail(key, meta.Bytes); err != nil {
			c.problem(tail, 0, fmt.Errorf("the local copy of an object's indexes: %w; without it they are read from the object", err))
		}
		c.segment(in.Files(ctx, key, size), name, meta)
	}
	return ctx.Err()
}

// noClock is for what measures nothing.
func noClock() time.Time { return time.Time{} }

func (c *checker) segment(files vfs.FS, path string, meta manifest.Segment) {
	if meta.Signal == telemetry.Logs {
		checkSegment(c.Report, files, path, segment.Logs, meta)
	} else {
		checkSegment(c.Report, files, path, segment.Spans, meta)
	}
}

func checkSegment[T any](r *Report, fs vfs.FS, path string, codec *segment.Codec[T], meta manifest.Segment) {
	bad := func(err error) {
		var c *segment.CorruptionError
		if errors.As(err, &c) {
			r.problem(c.Path, c.Offset, fmt.Errorf("%s: %w", c.Part, c.Err))
			return
		}
		r.problem(path, 0, err)
	}
	rd, err := segment.Open(context.Background(), fs, path, codec)
	if err != nil {
		bad(err)
		return
	}
	defer func() { _ = rd.Close() }()
	info := rd.Info()
	r.Segments++
	r.Records += info.Rows
	r.Bytes += info.Bytes
	if err := differs(info, &meta); err != nil {
		bad(err)
	}
	rd.Verify(bad)
}

// wal reads the write-ahead log.
func (c *checker) wal() error {
	dir, from := c.p.wal(), c.found.WAL
	each := func(rec wal.Record, pos wal.Position) error {
		if err := decodable(rec); err != nil {
			c.problem(c.fs.PathJoin(dir, wal.FileName(pos.Seq)), pos.Offset, fmt.Errorf("the record that ends here: %w", err))
		}
		if from.Less(pos) && rec.Type != wal.Hashes {
			c.WALRecords++
		}
		return nil
	}
	damaged := func(e *wal.CorruptionError) { c.problem(c.fs.PathJoin(e.Dir, e.Segment), e.Offset, e.Err) }
	_, err := wal.KeptRequests(c.fs, dir)
	var bad *wal.CorruptionError
	if errors.As(err, &bad) {
		damaged(bad)
	} else if err != nil {
		return err
	}
	end, err := wal.Replay(c.fs, dir, from, each, damaged)
	if err != nil {
		return err
	}
	for _, lost := range end.Lost(dir, c.found.Begun) {
		damaged(lost)
	}
	if end.Torn > 0 {
		c.cut(c.fs.PathJoin(dir, wal.FileName(end.TornAt.Seq)), end.TornAt.Offset, end.Torn)
	}
	seqs, err := wal.Files(c.fs, dir)
	c.WALFiles = int64(len(seqs))
	return err
}

func decodable(rec wal.Record) (err error) {
	switch rec.Type {
	case wal.Logs:
		_, err = otlp.DecodeLogs(rec.Data)
	case wal.Traces:
		_, err = otlp.DecodeSpans(rec.Data)
	case wal.Hashes:
	default:
		err = fmt.Errorf("record of unknown type %d", rec.Type)
	}
	return err
}
