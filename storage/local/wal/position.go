package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// positionSize is a file number, an offset in that file, and their CRC-32,
// little endian.
const positionSize = 8 + 8 + 4

// ErrPosition is a kept position that cannot be read.
var ErrPosition = errors.New("the kept position is damaged")

// KeepPosition writes a position to a file of its own so that a crash leaves
// the old or the new one.
func KeepPosition(fs vfs.FS, path string, pos Position) error {
	b := binary.LittleEndian.AppendUint64(nil, pos.Seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(pos.Offset))
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return ReplaceFile(fs, path, b)
}

// newSuffix is what the name of a file has that is to replace another one.
const newSuffix = ".new"

// ReplaceFile writes a file so that a crash leaves the old or the new one.
func ReplaceFile(fs vfs.FS, path string, b []byte) error {
	f, err := fs.Create(path+newSuffix, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(path+newSuffix, path); err != nil {
		return err
	}
	return SyncDir(fs, fs.PathDir(path))
}

// KeptPosition reads what KeepPosition wrote. Where there is nothing it
// reports the zero position, and where it is damaged an error that wraps
// ErrPosition.
func KeptPosition(files vfs.FS, path string) (Position, error) {
	f, err := files.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Position{}, nil
	}
	if err != nil {
		return Position{}, fmt.Errorf("read the kept position: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(f)
	if err != nil {
		return Position{}, fmt.Errorf("read the kept position: %w", err)
	}
	if len(b) != positionSize || crc32.ChecksumIEEE(b[:16]) != binary.LittleEndian.Uint32(b[16:]) {
		return Position{}, fmt.Errorf("%w: %s", ErrPosition, path)
	}
	return Position{Seq: binary.LittleEndian.Uint64(b), Offset: int64(binary.LittleEndian.Uint64(b[8:]))}, nil
}

// DropPosition removes what KeepPosition wrote, and what a crash left of it.
func DropPosition(files vfs.FS, path string) error {
	for _, name := range []string{path, path + newSuffix} {
		if err := files.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the kept position: %w", err)
		}
	}
	return SyncDir(files, files.PathDir(path))
}

// First is the start of the oldest file that is there, the zero position where
// there is none.
func First(fs vfs.FS, dir string) (Position, error) {
	seqs, err := Files(fs, dir)
	if err != nil || len(seqs) == 0 {
		return Position{}, err
	}
	return Position{Seq: seqs[0]}, nil
}
