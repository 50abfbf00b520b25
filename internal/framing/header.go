package framing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Sizes of the fixed parts of a file, in bytes.
const (
	HeaderSize       = 48
	RecordHeaderSize = 16
)

// UnknownLength says that a file does not know how long the one before it is.
const UnknownLength = ^uint64(0)

// Version is what this code writes; it reads nothing newer.
const Version = 1

// ErrHeader is wrapped by every error of ParseHeader.
var ErrHeader = errors.New("not a readable file header")

// ErrVersion is wrapped by errors about what another version of the program
// wrote. It is no damage: that version reads it.
var ErrVersion = errors.New("written in a format of another version of this program")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC32C of b.
func Checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// Header is the start of a file.
type Header struct {
	// Magic says what kind of file it is.
	Magic [4]byte
	// Seq is the file's number; it must match its name.
	Seq uint64
	// Salt differs from file to file and goes into every record's checksum.
	Salt uint64
	// PrevLength is how much of the file numbered Seq-1 counts, in bytes. What
	// stands behind it there was never acknowledged.
	PrevLength uint64
}

// Append appends the header's bytes.
func (h Header) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, h.Magic[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, Version)
	dst = binary.LittleEndian.AppendUint64(dst, h.Seq)
	dst = binary.LittleEndian.AppendUint64(dst, h.Salt)
	dst = binary.LittleEndian.AppendUint64(dst, h.PrevLength)
	dst = binary.LittleEndian.AppendUint64(dst, 0)
	dst = binary.LittleEndian.AppendUint32(dst, Checksum(dst[start:]))
	return binary.LittleEndian.AppendUint32(dst, 0)
}

// ParseHeader reads the header of a file of the kind that magic names.
func ParseHeader(b []byte, magic [4]byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, fmt.Errorf("%w: %d bytes, want %d", ErrHeader, len(b), HeaderSize)
	}
	if [4]byte(b[:4]) != magic {
		return Header{}, fmt.Errorf("%w: starts with %q, want %q", ErrHeader, b[:4], magic[:])
	}
	if got, want := binary.LittleEndian.Uint32(b[40:]), Checksum(b[:40]); got != want {
		return Header{}, fmt.Errorf("%w: checksum %08x, want %08x", ErrHeader, got, want)
	}
	if v := binary.LittleEndian.Uint32(b[4:]); v != Version {
		return Header{}, fmt.Errorf("%w: %w: version %d, this one reads %d", ErrHeader, ErrVersion, v, Version)
	}
	return Header{
		Magic:      magic,
		Seq:        binary.LittleEndian.Uint64(b[8:]),
		Salt:       binary.LittleEndian.Uint64(b[16:]),
		PrevLength: binary.LittleEndian.Uint64(b[24:]),
	}, nil
}
