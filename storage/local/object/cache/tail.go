package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Tail is a local copy of the end of an object, where its indexes are.
type Tail struct {
	// From is where in the object it begins.
	From int64
	file vfs.File
	size int64 // of the copied part
}

// The layout of a tail's file, described in docs/format/tail.md.
const (
	tailHeader  = 32 // magic, version, checksums, where it begins
	tailVersion = 1
)

var tailMagic = [8]byte{'C', 'L', 'E', 'W', 'T', 'A', 'I', 'L'}

// tailCopyBytes is how much is copied at once.
const tailCopyBytes = 1 << 20

// WriteTail copies the end of an object of a size, beginning at from, and makes
// it durable; its entry in the directory is the caller's.
func WriteTail(fs vfs.FS, path string, r io.ReaderAt, from, size int64) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err == nil {
		err = writeTail(f, r, from, size)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		_ = fs.Remove(path)
		return fmt.Errorf("write the local index of an object: %w", err)
	}
	return nil
}

func writeTail(f vfs.File, r io.ReaderAt, from, size int64) error {
	sum, err := sumOf(r, from, size)
	if err != nil {
		return err
	}
	var h [tailHeader]byte
	copy(h[:], tailMagic[:])
	binary.LittleEndian.PutUint32(h[8:], tailVersion)
	binary.LittleEndian.PutUint64(h[12:], uint64(from))
	binary.LittleEndian.PutUint32(h[20:], sum)
	binary.LittleEndian.PutUint32(h[28:], crc32.Checksum(h[:28], castagnoli))
	if _, err := f.Write(h[:]); err != nil {
		return err
	}
	if err := inParts(r, from, size, func(p []byte) error { _, err := f.Write(p); return err }); err != nil {
		return err
	}
	return f.Sync()
}

func sumOf(r io.ReaderAt, from, to int64) (sum uint32, err error) {
	err = inParts(r, from, to, func(p []byte) error {
		sum = crc32.Update(sum, castagnoli, p)
		return nil
	})
	return sum, err
}

func inParts(r io.ReaderAt, from, to int64, each func([]byte) error) error {
	buf := make([]byte, min(tailCopyBytes, max(to-from, 0)))
	for from < to {
		part := buf[:min(int64(len(buf)), to-from)]
		if n, err := r.ReadAt(part, from); n < len(part) {
			return err
		}
		if err := each(part); err != nil {
			return err
		}
		from += int64(len(part))
	}
	return nil
}

// errTail is that a file is not the tail that it should be.
var errTail = errors.New("it is no local index of this object")

// OpenTail opens the copy of the end of an object of a size. What it holds is
// not read.
func OpenTail(fs vfs.FS, path string, size int64) (*Tail, error) {
	f, err := fs.Open(path, vfs.RandomReadsOption)
	if err != nil {
		return nil, err
	}
	t, err := parseTail(f, size)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return t, nil
}

func parseTail(f vfs.File, size int64) (*Tail, error) {
	var h [tailHeader]byte
	if n, err := f.ReadAt(h[:], 0); n < len(h) {
		return nil, errors.Join(errTail, err)
	}
	if [8]byte(h[:8]) != tailMagic || binary.LittleEndian.Uint32(h[8:]) != tailVersion ||
		binary.LittleEndian.Uint32(h[28:]) != crc32.Checksum(h[:28], castagnoli) {
		return nil, errTail
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	t := &Tail{From: int64(binary.LittleEndian.Uint64(h[12:])), file: f}
	t.size = size - t.From
	if t.From < 0 || t.size < 0 || info.Size() != tailHeader+t.size {
		return nil, errTail
	}
	return t, nil
}

// Verify compares the copy with its checksum.
func (t *Tail) Verify() error {
	var h [tailHeader]byte
	if n, err := t.file.ReadAt(h[:], 0); n < len(h) {
		return err
	}
	sum, err := sumOf(t.file, tailHeader, tailHeader+t.size)
	if err == nil && sum != binary.LittleEndian.Uint32(h[20:]) {
		err = fmt.Errorf("checksum %08x, want %08x", sum, binary.LittleEndian.Uint32(h[20:]))
	}
	return err
}

// Close closes the file.
func (t *Tail) Close() error { return t.file.Close() }
