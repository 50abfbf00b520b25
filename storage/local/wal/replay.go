package wal

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/framing"
)

// CorruptionError says which part of which file cannot be read.
type CorruptionError struct {
	Dir     string
	Segment string
	Offset  int64
	Err     error
}

// Error implements error.
func (e *CorruptionError) Error() string {
	return fmt.Sprintf("write-ahead log %s, file %s, offset %d: %v", e.Dir, e.Segment, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *CorruptionError) Unwrap() error { return e.Err }

// End is where a replay ended.
type End struct {
	// Next is the number of the file to begin.
	Next uint64
	// PrevLength is how much of the file before it counts.
	PrevLength uint64
	// Torn is how many bytes were cut at the end of the last file, which
	// TornAt names.
	Torn   int64
	TornAt Position
}

// Lost names the files that were begun and are behind the end of the log, up to
// the newest one that is known to have been.
func (e *End) Lost(dir string, newest uint64) (lost []*CorruptionError) {
	for seq := e.Next; seq <= newest; seq++ {
		lost = append(lost, &CorruptionError{Dir: dir, Segment: FileName(seq), Err: errors.New("file missing or cut off in its header, and it was begun")})
	}
	return lost
}

// Files lists the numbers of the files in dir, sorted.
func Files(fs vfs.FS, dir string) ([]uint64, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list write-ahead log: %w", err)
	}
	var seqs []uint64
	for _, n := range names {
		if seq, ok := parseFileName(n); ok {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return seqs, nil
}

// Replay reads all records that are there, in order. Those before the position
// from are in segments; they only tell which requests came, and what is wrong
// with them doesn't matter. It calls each for every record with the position
// behind it, and damaged for what cannot be read, which it skips. It stops with
// the first error of each. What another version wrote is an error, too.
//
// What was written and not synced before the process was killed is replayed
// like the rest. It is not durable yet: a caller that goes on to write calls
// Settle first.
func Replay(fs vfs.FS, dir string, from Position, each func(Record, Position) error, damaged func(*CorruptionError)) (End, error) {
	seqs, err := Files(fs, dir)
	if err != nil {
		return End{}, err
	}
	// A number is never used again below a position that was released.
	end := End{Next: from.Seq + 1, PrevLength: framing.UnknownLength}
	r := replay{from: from.Seq, fs: fs, dir: dir, each: each, damaged: damaged, heads: map[uint64]fileHead{}}
	for _, seq := range seqs {
		r.heads[seq] = r.readHead(seq)
	}
	for _, seq := range seqs {
		if err := r.heads[seq].err; errors.Is(err, framing.ErrVersion) {
			return End{}, &CorruptionError{Dir: dir, Segment: FileName(seq), Err: err}
		}
	}
	if n := len(seqs); n > 0 && r.unborn(seqs[n-1]) {
		seqs = seqs[:n-1]
	}
	if from.Seq > 0 && !slices.Contains(seqs, from.Seq) {
		r.damage(from.Seq, 0, errors.New("file missing"))
	}
	for i, seq := range seqs {
		if i > 0 && seq > seqs[i-1]+1 && seqs[i-1]+1 >= from.Seq {
			r.damage(seqs[i-1]+1, 0, fmt.Errorf("file missing, the next one is %s", FileName(seq)))
		}
		if end, err = r.file(seq); err != nil {
			return End{}, err
		}
	}
	end.Next = max(end.Next, from.Seq+1)
	return end, nil
}

// file replays one file.
func (r *replay) file(seq uint64) (End, error) {
	end := End{Next: seq + 1, PrevLength: framing.UnknownLength}
	h := r.heads[seq]
	next, known := r.heads[seq+1]
	known = known && next.err == nil
	if seq < r.from && !known {
		// It was being removed. Without the next file nobody knows how much of
		// it counts.
		return end, nil
	}
	if h.err != nil {
		r.damage(seq, 0, h.err)
		return end, nil
	}
	f, err := r.fs.Open(r.fs.PathJoin(r.dir, FileName(seq)))
	if err != nil {
		r.damage(seq, 0, unreadable(err))
		return end, nil
	}
	length := uint64(framing.UnknownLength)
	if known {
		length = next.PrevLength
	}
	rd := framing.NewReader(f, h.Salt, framing.HeaderSize, h.size, length)
	whole, err := r.records(seq, rd)
	_ = f.Close()
	if whole {
		end.PrevLength = uint64(rd.Offset())
		end.Torn, end.TornAt = rd.Torn(), Position{seq, rd.Offset()}
	}
	return end, err
}

// ErrUnreadable is in damage that may be none: the disk failed to give the
// bytes back, and may not fail again.
var ErrUnreadable = errors.New("the disk does not give it back")

func unreadable(err error) error { return fmt.Errorf("%w: %w", ErrUnreadable, err) }

type replay struct {
	from    uint64
	fs      vfs.FS
	dir     string
	each    func(Record, Position) error
	damaged func(*CorruptionError)
	heads   map[uint64]fileHead
}

type fileHead struct {
	framing.Header
	size int64
	err  error
}

func (r *replay) readHead(seq uint64) (h fileHead) {
	f, err := r.fs.Open(r.fs.PathJoin(r.dir, FileName(seq)))
	if err != nil {
		return fileHead{err: unreadable(err)}
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return fileHead{err: unreadable(err)}
	}
	h = fileHead{size: info.Size()}
	var b [framing.HeaderSize]byte
	n, err := f.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		h.err = unreadable(err)
		return h
	}
	h.Header, h.err = framing.ParseHeader(b[:n], Magic)
	if h.err == nil && h.Seq != seq {
		h.err = fmt.Errorf("%w: it says it is file %d", framing.ErrHeader, h.Seq)
	}
	return h
}

// unborn reports whether the last file was cut off before its header was
// durable. Nothing in it was acknowledged, and its number is free.
func (r *replay) unborn(seq uint64) bool {
	h := r.heads[seq]
	return errors.Is(h.err, framing.ErrHeader) && h.size <= framing.HeaderSize
}

func (r *replay) damage(seq uint64, offset int64, err error) {
	if seq < r.from {
		return
	}
	r.damaged(&CorruptionError{Dir: r.dir, Segment: FileName(seq), Offset: offset, Err: err})
}

// records replays the records of one file, and reports whether it was read to
// its end.
func (r *replay) records(seq uint64, rd *framing.Reader) (bool, error) {
	for {
		payload, at, err := rd.Next()
		var bad *framing.DamageError
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case errors.As(err, &bad):
			r.damage(seq, bad.Offset, bad)
			continue
		case err != nil:
			// What the disk gave stands.
			r.damage(seq, at, unreadable(err))
			return false, nil
		}
		rec, err := parseRecord(payload)
		if errors.Is(err, framing.ErrVersion) {
			return false, &CorruptionError{Dir: r.dir, Segment: FileName(seq), Offset: at, Err: err}
		}
		if err != nil {
			r.damage(seq, at, err)
			continue
		}
		if rec.Type == synced {
			continue
		}
		if err := r.each(rec, Position{seq, rd.Offset()}); err != nil {
			return false, err
		}
	}
}

// Settle syncs the end of the log, so that what Replay read survives a power
// cut from now on: a request that is sent again will be told that it is stored.
// All files but the last were synced before the next one was begun.
func Settle(fs vfs.FS, dir string) error {
	seqs, err := Files(fs, dir)
	if err != nil {
		return err
	}
	for _, seq := range seqs[max(len(seqs)-2, 0):] {
		if err := SyncFile(fs, fs.PathJoin(dir, FileName(seq))); err != nil {
			return err
		}
	}
	return SyncDir(fs, dir)
}

// Release removes the files before seq.
func Release(fs vfs.FS, dir string, seq uint64) error {
	seqs, err := Files(fs, dir)
	if err != nil {
		return err
	}
	removed := false
	for _, s := range seqs {
		if s >= seq {
			break
		}
		if err := fs.Remove(fs.PathJoin(dir, FileName(s))); err != nil {
			return fmt.Errorf("release write-ahead file: %w", err)
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return SyncDir(fs, dir)
}
