package wal

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/framing"
)

// Tail reads a log that is being written, record by record, up to positions
// that are acknowledged. It is for one goroutine.
type Tail struct {
	fs   vfs.FS
	dir  string
	pos  Position
	file vfs.File
	head fileHead
	rd   *framing.Reader
	end  int64 // where rd ends
}

// NewTail returns a reader of what stands behind a position between two
// records. The file of the position must be there unless it is the zero one,
// which stands before everything.
func NewTail(fs vfs.FS, dir string, from Position) *Tail { return &Tail{fs: fs, dir: dir, pos: from} }

// Position is where the next record starts.
func (t *Tail) Position() Position { return t.pos }

// Next returns the next record before the position to, which was acknowledged,
// and io.EOF where there is none. A *CorruptionError names what cannot be read
// and was skipped; the next call goes on behind it.
func (t *Tail) Next(to Position) (Record, error) {
	for t.pos.Less(to) {
		if err := t.open(to); err != nil {
			return Record{}, err
		}
		payload, at, err := t.rd.Next()
		var bad *framing.DamageError
		switch {
		case errors.Is(err, io.EOF):
			if t.pos.Seq == to.Seq {
				return Record{}, io.EOF
			}
			t.skipFile()
			continue
		case errors.As(err, &bad):
			t.pos.Offset = t.rd.Offset()
			return Record{}, t.corrupt(bad.Offset, bad)
		case err != nil:
			return Record{}, fmt.Errorf("read write-ahead file %s: %w", FileName(t.pos.Seq), err)
		}
		t.pos.Offset = t.rd.Offset()
		rec, err := parseRecord(payload)
		if err != nil {
			return Record{}, t.corrupt(at, err)
		}
		if rec.Type == synced {
			continue
		}
		return rec, nil
	}
	return Record{}, io.EOF
}

func (t *Tail) corrupt(at int64, err error) *CorruptionError {
	return &CorruptionError{Dir: t.dir, Segment: FileName(t.pos.Seq), Offset: at, Err: err}
}

// skipFile goes to the start of the next file.
func (t *Tail) skipFile() {
	t.Close()
	t.pos = Position{Seq: t.pos.Seq + 1, Offset: framing.HeaderSize}
}

// open makes sure that there is a reader of the file of the position that
// knows how far it may read.
func (t *Tail) open(to Position) error {
	if t.file == nil {
		// First of all: which file it is decides how far it may be read.
		if err := t.openFile(to); err != nil {
			return err
		}
	}
	end := to.Offset
	if t.pos.Seq != to.Seq {
		end = -1 // all that counts of the file, which is not written any more
	}
	if t.rd != nil && t.end == end {
		return nil
	}
	length, limit := uint64(max(end, 0)), max(end, 0)
	if end < 0 {
		var err error
		if length, limit, err = t.lengthOfFile(); err != nil {
			return err
		}
	}
	t.rd, t.end = framing.NewReader(t.file, t.head.Salt, max(t.pos.Offset, framing.HeaderSize), limit, length), end
	return nil
}

// openFile opens the file of the position, or the first one behind it that is
// there.
func (t *Tail) openFile(to Position) error {
	r := replay{fs: t.fs, dir: t.dir}
	for {
		h := r.readHead(t.pos.Seq)
		if h.err == nil {
			f, err := t.fs.Open(t.fs.PathJoin(t.dir, FileName(t.pos.Seq)))
			if err != nil {
				return fmt.Errorf("open write-ahead file %s: %w", FileName(t.pos.Seq), err)
			}
			t.file, t.head = f, h
			return nil
		}
		at, missing := t.pos, t.pos.Seq == 0
		if t.pos.Seq == to.Seq {
			return fmt.Errorf("open write-ahead file %s: %w", FileName(t.pos.Seq), h.err)
		}
		seqs, err := Files(t.fs, t.dir)
		if err != nil {
			return err
		}
		for _, seq := range seqs {
			if seq > t.pos.Seq {
				t.pos = Position{Seq: seq, Offset: framing.HeaderSize}
				break
			}
		}
		if t.pos == at {
			return fmt.Errorf("open write-ahead file %s: %w", FileName(t.pos.Seq), h.err)
		}
		if !missing {
			return &CorruptionError{Dir: t.dir, Segment: FileName(at.Seq), Err: h.err}
		}
	}
}

// lengthOfFile is how much counts of a file that is not written any more: the
// next one's header knows.
func (t *Tail) lengthOfFile() (known uint64, size int64, err error) {
	info, err := t.file.Stat()
	if err != nil {
		return 0, 0, fmt.Errorf("read write-ahead file %s: %w", FileName(t.pos.Seq), err)
	}
	r := replay{fs: t.fs, dir: t.dir}
	if next := r.readHead(t.pos.Seq + 1); next.err == nil {
		return next.PrevLength, info.Size(), nil
	}
	return framing.UnknownLength, info.Size(), nil
}

// Close gives the file back.
func (t *Tail) Close() {
	if t.file != nil {
		_ = t.file.Close()
	}
	t.file, t.rd = nil, nil
}
