package framing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// recordMagic starts every record; it is what a reader looks for behind a
// damaged one.
const recordMagic = 0xC1E357A6

// MaxPayload bounds one record, so that a damaged length cannot ask for more
// memory than a record may have had.
const MaxPayload = 1 << 30

// resyncWindow is how much a reader looks at in one go behind damage.
const resyncWindow = 256 << 10

// AppendRecord appends a record that will stand at offset of the file with
// the given salt. The payload is the concatenation of parts.
func AppendRecord(dst []byte, salt uint64, offset int64, parts ...[]byte) []byte {
	var n, crc uint32
	for _, p := range parts {
		n += uint32(len(p))
		crc = crc32.Update(crc, castagnoli, p)
	}
	dst = appendRecordHeader(dst, salt, offset, n, crc)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}

func appendRecordHeader(dst []byte, salt uint64, offset int64, length, crc uint32) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, recordMagic)
	dst = binary.LittleEndian.AppendUint32(dst, length)
	dst = binary.LittleEndian.AppendUint32(dst, crc)
	return binary.LittleEndian.AppendUint32(dst, headerChecksum(dst[start:], salt, offset))
}

func headerChecksum(first12 []byte, salt uint64, offset int64) uint32 {
	var b [28]byte
	copy(b[:12], first12)
	binary.LittleEndian.PutUint64(b[12:], salt)
	binary.LittleEndian.PutUint64(b[20:], uint64(offset))
	return Checksum(b[:])
}

// DamageError says that bytes which should be records are not.
type DamageError struct {
	Offset, Length int64 // the part of the file that cannot be read
	Reason         string
}

// Error implements error.
func (e *DamageError) Error() string {
	return fmt.Sprintf("%d bytes at offset %d: %s", e.Length, e.Offset, e.Reason)
}

// Reader reads the records of one file, one after the other.
type Reader struct {
	r      io.ReaderAt
	salt   uint64
	offset int64
	// size is where the records end: the length that is known to count, or
	// the file's where nothing is known.
	size int64
	// known is set where size is what was acknowledged. Damage at the end is
	// then damage, otherwise it is a torn tail.
	known bool
	torn  int64
	buf   []byte // window starting at bufOff
	bufAt int64
}

// NewReader returns a reader of the records from offset on of a file that is
// fileSize long. length is how much of it counts, or UnknownLength.
func NewReader(r io.ReaderAt, salt uint64, offset, fileSize int64, length uint64) *Reader {
	rd := &Reader{r: r, salt: salt, offset: offset, size: fileSize}
	if length != UnknownLength && length <= 1<<62 {
		rd.known = true
		rd.size = int64(length)
	}
	return rd
}

// Offset is where the next record starts, and at the end of the file the
// length of it that counts.
func (r *Reader) Offset() int64 { return r.offset }

// Torn is how many bytes at the end were cut because they are not a whole
// record and were never known to be one.
func (r *Reader) Torn() int64 { return r.torn }

// Next returns the next record's payload, in memory of its own, and its
// offset. It returns io.EOF at the end and a *DamageError for bytes it
// skipped; reading goes on behind them with the next call. Other errors are
// the file system's.
func (r *Reader) Next() (payload []byte, offset int64, err error) {
	if r.offset >= r.size {
		return nil, r.offset, io.EOF
	}
	at := r.offset
	payload, reason, err := r.readRecord(at)
	if err != nil {
		return nil, at, err
	}
	if reason == "" {
		r.offset = at + RecordHeaderSize + int64(len(payload))
		return payload, at, nil
	}
	next, err := r.resync(at + 1)
	if err != nil {
		return nil, at, err
	}
	if next < 0 && !r.known {
		r.torn = r.size - at
		r.size = at
		return nil, at, io.EOF
	}
	if next < 0 {
		next = r.size
	}
	r.offset = next
	return nil, at, &DamageError{Offset: at, Length: next - at, Reason: reason}
}

// readRecord reads the record at off; reason says what is wrong with it.
func (r *Reader) readRecord(off int64) (payload []byte, reason string, err error) {
	length, crc, reason, err := r.readHeader(off)
	if err != nil || reason != "" {
		return nil, reason, err
	}
	payload = make([]byte, length)
	ok, err := r.readAt(payload, off+RecordHeaderSize)
	if err != nil {
		return nil, "", err
	}
	if !ok {
		return nil, "the file ends inside the record", nil
	}
	if got := Checksum(payload); got != crc {
		return nil, fmt.Sprintf("record of %d bytes has checksum %08x, want %08x", length, got, crc), nil
	}
	return payload, "", nil
}

func (r *Reader) readHeader(off int64) (length int64, crc uint32, reason string, err error) {
	var h [RecordHeaderSize]byte
	if off+RecordHeaderSize > r.size {
		return 0, 0, "the file ends inside a record's header", nil
	}
	ok, err := r.readAt(h[:], off)
	if err != nil {
		return 0, 0, "", err
	}
	if !ok {
		return 0, 0, "the file is shorter than what was acknowledged", nil
	}
	if binary.LittleEndian.Uint32(h[:]) != recordMagic {
		return 0, 0, "no record starts here", nil
	}
	if binary.LittleEndian.Uint32(h[12:]) != headerChecksum(h[:12], r.salt, off) {
		return 0, 0, "record header has a wrong checksum", nil
	}
	length = int64(binary.LittleEndian.Uint32(h[4:]))
	if length > MaxPayload || off+RecordHeaderSize+length > r.size {
		return 0, 0, "the file ends inside the record", nil
	}
	return length, binary.LittleEndian.Uint32(h[8:]), "", nil
}

// readAt fills p; it reports false where the file ends before. Small reads
// come out of a window, so that a file of small records costs few calls.
func (r *Reader) readAt(p []byte, off int64) (bool, error) {
	if len(p) >= resyncWindow {
		return readFull(r.r, p, off)
	}
	if off < r.bufAt || off+int64(len(p)) > r.bufAt+int64(len(r.buf)) {
		if r.buf == nil {
			r.buf = make([]byte, resyncWindow)
		}
		r.buf = r.buf[:cap(r.buf)]
		n, err := r.r.ReadAt(r.buf, off)
		r.buf, r.bufAt = r.buf[:n], off
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if n < len(p) {
			return false, nil
		}
	}
	copy(p, r.buf[off-r.bufAt:])
	return true, nil
}

func readFull(r io.ReaderAt, p []byte, off int64) (bool, error) {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return true, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return false, nil
	}
	return false, err
}

// resync returns the offset of the first whole record at or behind from, -1
// where there is none.
func (r *Reader) resync(from int64) (int64, error) {
	var b [4]byte
	for off := from; off+RecordHeaderSize <= r.size; off++ {
		ok, err := r.readAt(b[:], off)
		if err != nil || !ok {
			return -1, err
		}
		if binary.LittleEndian.Uint32(b[:]) != recordMagic {
			continue
		}
		_, _, reason, err := r.readHeader(off)
		if err != nil {
			return -1, err
		}
		if reason != "" {
			continue
		}
		if _, reason, err = r.readRecord(off); err != nil {
			return -1, err
		}
		if reason == "" {
			return off, nil
		}
	}
	return -1, nil
}
