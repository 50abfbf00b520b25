package otlp

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// Protobuf's wire types.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireLen     = 2
	wireGroup   = 3
	wireEnd     = 4
	wireFixed32 = 5
)

// maxField is the highest field number protobuf allows.
const maxField = 1<<29 - 1

// reader walks over the fields of one message, which is buf[pos:end]. Its
// positions are offsets into the whole request, so that errors can name them.
type reader struct {
	buf      []byte
	pos, end int
}

func (r *reader) more() bool { return r.pos < r.end }

func (r *reader) fail(offset int, format string, args ...any) error {
	return &wireError{offset: offset, reason: fmt.Sprintf(format, args...)}
}

// varint reads one base-128 number. Bits over 64 are dropped, as every
// protobuf library does; more than ten bytes are refused.
func (r *reader) varint() (uint64, error) {
	if r.pos < r.end {
		if b := r.buf[r.pos]; b < 0x80 {
			r.pos++
			return uint64(b), nil
		}
	}
	return r.longVarint()
}

func (r *reader) longVarint() (uint64, error) {
	var v uint64
	start := r.pos
	for shift := uint(0); shift < 70; shift += 7 {
		if r.pos >= r.end {
			return 0, r.fail(start, "number is cut short")
		}
		b := r.buf[r.pos]
		r.pos++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, nil
		}
	}
	return 0, r.fail(start, "number has more than ten bytes")
}

// field reads the next field's number and wire type. Those of the first fifteen
// fields are one byte.
func (r *reader) field() (num, wire int, err error) {
	if r.pos < r.end {
		if b := r.buf[r.pos]; b-8 < 0x78 {
			r.pos++
			return int(b >> 3), int(b & 7), nil
		}
	}
	return r.longField()
}

func (r *reader) longField() (num, wire int, err error) {
	start := r.pos
	tag, err := r.varint()
	if err != nil {
		return 0, 0, err
	}
	n := tag >> 3
	if n == 0 || n > maxField {
		return 0, 0, r.fail(start, "field number %d is not in 1..%d", n, maxField)
	}
	return int(n), int(tag & 7), nil
}

func (r *reader) want(got, want int) error {
	if got != want {
		return r.fail(r.pos, "wire type %d, want %d", got, want)
	}
	return nil
}

// length reads the length of the length-delimited field at hand, which then
// is buf[pos:pos+length]. Most are short: those take the first lines only.
func (r *reader) length(wire int) (int, error) {
	if wire == wireLen && r.pos < r.end {
		if n := int(r.buf[r.pos]); n < 0x80 && n < r.end-r.pos {
			r.pos++
			return n, nil
		}
	}
	return r.longLength(wire)
}

func (r *reader) longLength(wire int) (int, error) {
	if err := r.want(wire, wireLen); err != nil {
		return 0, err
	}
	start := r.pos
	n, err := r.varint()
	if err != nil {
		return 0, err
	}
	if n > uint64(r.end-r.pos) {
		return 0, r.fail(start, "length %d, but %d bytes are left", n, r.end-r.pos)
	}
	return int(n), nil
}

// message returns a reader over the length-delimited field at hand.
func (r *reader) message(wire int) (reader, error) {
	n, err := r.length(wire)
	if err != nil {
		return reader{}, err
	}
	start := r.pos
	r.pos += n
	return reader{buf: r.buf, pos: start, end: r.pos}, nil
}

// text returns the length-delimited field at hand as a string that points
// into the request.
func (r *reader) text(wire int) (string, error) {
	n, err := r.length(wire)
	if err != nil || n == 0 {
		return "", err
	}
	s := unsafe.String(&r.buf[r.pos], n)
	r.pos += n
	return s, nil
}

func (r *reader) uint64(wire int) (uint64, error) {
	if err := r.want(wire, wireVarint); err != nil {
		return 0, err
	}
	return r.varint()
}

func (r *reader) uint32(wire int) (uint32, error) {
	v, err := r.uint64(wire)
	return uint32(v), err
}

// enum reads an enumeration that fits a byte; a number that no version of
// OTLP can mean becomes 0, unset.
func (r *reader) enum(wire int) (uint8, error) {
	v, err := r.uint64(wire)
	if v > math.MaxUint8 {
		v = 0
	}
	return uint8(v), err
}

func (r *reader) fixed64(wire int) (uint64, error) {
	if wire == wireFixed64 && r.end-r.pos >= 8 {
		v := binary.LittleEndian.Uint64(r.buf[r.pos:])
		r.pos += 8
		return v, nil
	}
	if err := r.want(wire, wireFixed64); err != nil {
		return 0, err
	}
	return 0, r.fail(r.pos, "8-byte number is cut short")
}

// time reads Unix nanoseconds. What is past the year 2262 stops there.
func (r *reader) time(wire int) (int64, error) {
	v, err := r.fixed64(wire)
	return int64(min(v, math.MaxInt64)), err
}

func (r *reader) fixed32(wire int) (uint32, error) {
	if err := r.want(wire, wireFixed32); err != nil {
		return 0, err
	}
	if r.end-r.pos < 4 {
		return 0, r.fail(r.pos, "4-byte number is cut short")
	}
	v := binary.LittleEndian.Uint32(r.buf[r.pos:])
	r.pos += 4
	return v, nil
}

// skip passes over a field this decoder does not know. Groups, which OTLP
// never had but protobuf allows, are passed over without recursion.
func (r *reader) skip(wire int) error {
	for depth := 0; ; {
		start := r.pos
		var err error
		switch wire {
		case wireVarint:
			_, err = r.varint()
		case wireFixed64:
			_, err = r.fixed64(wire)
		case wireFixed32:
			_, err = r.fixed32(wire)
		case wireLen:
			var n int
			n, err = r.length(wire)
			r.pos += n
		case wireGroup:
			depth++
		case wireEnd:
			depth--
		default:
			err = r.fail(start, "wire type %d does not exist", wire)
		}
		if err != nil {
			return err
		}
		if depth < 0 {
			return r.fail(start, "end of a group that never began")
		}
		if depth == 0 {
			return nil
		}
		if _, wire, err = r.field(); err != nil {
			return err
		}
	}
}
