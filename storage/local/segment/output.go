package segment

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// output is the file that a segment is written to, from the header to the
// trailer. What is appended is gathered and written some at a time.
type output struct {
	fs     vfs.FS
	path   string
	file   vfs.File
	offset int64
	buf    []byte // not yet written, ends at offset
}

// writeBytes is how much is gathered for one call.
const writeBytes = 256 << 10

func create(fs vfs.FS, path string) (*output, error) {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("create segment: %w", err)
	}
	o := &output{fs: fs, path: path, file: f}
	var head [headerSize]byte
	copy(head[:], Magic[:])
	binary.LittleEndian.PutUint32(head[8:], Version)
	o.section(head[:])
	return o, nil
}

// placed returns the place of what was appended to the buffer from start on.
func (o *output) placed(start int) place {
	p := place{offset: o.offset, length: int64(len(o.buf) - start), crc: checksum(o.buf[start:])}
	o.offset += p.length
	return p
}

func (o *output) section(b []byte) place {
	start := len(o.buf)
	o.buf = append(o.buf, b...)
	return o.placed(start)
}

// flushIfBig writes what was gathered where that is worth a call.
func (o *output) flushIfBig() error {
	if len(o.buf) < writeBytes {
		return nil
	}
	return o.flush()
}

func (o *output) flush() error {
	n, err := o.file.Write(o.buf)
	if err == nil && n < len(o.buf) {
		err = fmt.Errorf("wrote %d of %d bytes", n, len(o.buf))
	}
	if err != nil {
		return fmt.Errorf("write segment %s: %w", o.path, err)
	}
	o.buf = o.buf[:0]
	return nil
}

// finish writes footer and trailer and makes the file durable.
func (o *output) finish(foot *footer) error {
	p := o.section(foot.append(nil))
	var t [trailerSize]byte
	binary.LittleEndian.PutUint64(t[0:], uint64(p.offset))
	binary.LittleEndian.PutUint64(t[8:], uint64(p.length))
	binary.LittleEndian.PutUint32(t[16:], p.crc)
	binary.LittleEndian.PutUint32(t[20:], Version)
	copy(t[24:], Magic[:])
	o.section(t[:])
	if err := o.flush(); err != nil {
		return err
	}
	if err := o.file.Sync(); err != nil {
		return fmt.Errorf("sync segment %s: %w", o.path, err)
	}
	err := o.file.Close()
	o.file = nil
	if err != nil {
		return fmt.Errorf("close segment %s: %w", o.path, err)
	}
	return nil
}

// abort removes what was written. The segment was not published, so what is
// left of it where that fails is removed at the next start.
func (o *output) abort() {
	if o.file != nil {
		_ = o.file.Close()
		o.file = nil
	}
	_ = o.fs.Remove(o.path)
}
