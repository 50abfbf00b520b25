// Package closing is the note that a store leaves when it is closed: how long
// each file is that is only ever appended to. Where such a file ends early and
// there is no note, the power may have gone while it was written, and nothing
// is missing that was acknowledged; where there is a note, it was cut later.
//
// The note is removed, durably, before anything is written again.
// docs/format/closing.md describes it. It may import
// internal/framing, column and wal.
package closing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/wal"
)

// Name is the name of the note in the data directory.
const Name = "CLOSED"

const (
	version = 1
	// maxBytes bounds the note: a name of 26 bytes and a number for each file.
	maxBytes = 16 << 20
)

var magic = [4]byte{'C', 'E', 'N', 'D'}

// ErrDamaged is a note that cannot be read.
var ErrDamaged = errors.New("the note of how the store was closed is damaged")

// Note is how long files were.
type Note struct {
	sizes lengths
	raw   []byte // as it was read
}

// lengths are those of files, by the name of the directory and their own.
type lengths map[string]map[string]int64

// Difference is a file that is not as it was when the store was closed.
type Difference struct {
	Dir, File string
	Got, Want int64 // -1 for a file that is not there
}

// Error implements error.
func (d *Difference) Error() string {
	switch {
	case d.Got < 0:
		return "file missing, it was there when the store was closed"
	case d.Want < 0:
		return "there was no such file when the store was closed"
	}
	return fmt.Sprintf("it has %d bytes, and had %d when the store was closed", d.Got, d.Want)
}

// sizes lists the files of the directories of root.
func sizes(fs vfs.FS, root string, dirs []string) (lengths, error) {
	n := lengths{}
	for _, dir := range dirs {
		names, err := fs.List(fs.PathJoin(root, dir))
		if err != nil {
			return nil, err
		}
		n[dir] = map[string]int64{}
		for _, name := range names {
			info, err := fs.Stat(fs.PathJoin(root, dir, name))
			if err != nil {
				return nil, err
			}
			n[dir][name] = info.Size()
		}
	}
	return n, nil
}

// Leave writes the note of directories of root whose files are not written any
// more, after it has made those durable.
func Leave(fs vfs.FS, root string, salt uint64, dirs ...string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("leave a note of how the store was closed: %w", err)
		}
	}()
	note, err := sizes(fs, root, dirs)
	if err != nil {
		return err
	}
	for dir, files := range note {
		for name := range files {
			if err := wal.SyncFile(fs, fs.PathJoin(root, dir, name)); err != nil {
				return err
			}
		}
		if err := wal.SyncDir(fs, fs.PathJoin(root, dir)); err != nil {
			return err // what was removed stays so
		}
	}
	b := framing.Header{Magic: magic, Salt: salt, PrevLength: framing.UnknownLength}.Append(nil)
	b = framing.AppendRecord(b, salt, framing.HeaderSize, note.append(nil))
	return replace(fs, root, b)
}

// replace writes the file so that a crash leaves none or the whole of it.
func replace(fs vfs.FS, root string, b []byte) error {
	return wal.ReplaceFile(fs, fs.PathJoin(root, Name), b)
}

func (n lengths) append(dst []byte) []byte {
	dst = append(dst, version)
	for _, dir := range slices.Sorted(maps.Keys(n)) {
		for _, name := range slices.Sorted(maps.Keys(n[dir])) {
			for _, s := range []string{dir, name} {
				dst = binary.AppendUvarint(dst, uint64(len(s)))
				dst = append(dst, s...)
			}
			dst = binary.AppendUvarint(dst, uint64(n[dir][name]))
		}
	}
	return dst
}

// Read returns the note, nil where there is none.
func Read(files vfs.FS, root string) (*Note, error) {
	f, err := files.Open(files.PathJoin(root, Name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxBytes))
	if err != nil {
		return nil, err
	}
	n, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return &Note{n, b}, nil
}

func parse(b []byte) (lengths, error) {
	payload, err := framing.Only(b, magic)
	if err != nil {
		return nil, err
	}
	c := column.NewCursor(payload)
	if v := c.Byte(); c.Err() == nil && v != version {
		return nil, fmt.Errorf("%w: version %d, this one reads %d", framing.ErrVersion, v, version)
	}
	n := lengths{}
	for c.Err() == nil && c.Len() > 0 {
		dir, name := strings.Clone(c.String()), strings.Clone(c.String())
		if n[dir] == nil {
			n[dir] = map[string]int64{}
		}
		n[dir][name] = int64(c.Uvarint())
	}
	return n, c.Err()
}

// Compare says which files of the directories differ from the note; none where
// there is no note.
func (n *Note) Compare(fs vfs.FS, root string, dirs ...string) ([]*Difference, error) {
	if n == nil {
		return nil, nil
	}
	now, err := sizes(fs, root, dirs)
	if err != nil {
		return nil, err
	}
	var out []*Difference
	for _, dir := range dirs {
		for _, name := range slices.Sorted(maps.Keys(n.sizes[dir])) {
			want := n.sizes[dir][name]
			got, ok := now[dir][name]
			if !ok {
				got = -1
			}
			if got != want {
				out = append(out, &Difference{dir, name, got, want})
			}
			delete(now[dir], name)
		}
		for _, name := range slices.Sorted(maps.Keys(now[dir])) {
			out = append(out, &Difference{dir, name, now[dir][name], -1})
		}
	}
	return out, nil
}

// Restore writes the note again: the store was not opened, and nothing written.
func (n *Note) Restore(fs vfs.FS, root string) error { return replace(fs, root, n.raw) }

// Remove removes the note, durably, if there is one: the store is about to be
// written.
func Remove(files vfs.FS, root string) error {
	if err := files.Remove(files.PathJoin(root, Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the note of how the store was closed: %w", err)
	}
	return wal.SyncDir(files, root)
}
