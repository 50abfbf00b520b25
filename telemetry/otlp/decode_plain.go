package otlp

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/clewhq/clew/telemetry"
)

// Nearly all attributes have the same form: a key, then one string, number or
// truth, of fewer than 128 bytes in all, so that every length is one byte. They
// are most of what is decoded, and have a way of their own.

// plainLength is how long the field at hand is, where that is one byte and the
// field is there; 0 otherwise.
func plainLength(r *reader, wire int) int {
	if wire != wireLen || r.pos >= r.end {
		return 0
	}
	if n := int(r.buf[r.pos]); n < 0x80 && n < r.end-r.pos {
		return n
	}
	return 0
}

// The tags of a KeyValue, and of the values that are read here.
const (
	tagKey    = 1<<3 | wireLen
	tagValue  = 2<<3 | wireLen
	tagString = 1<<3 | wireLen
	tagBool   = 2<<3 | wireVarint
	tagInt    = 3<<3 | wireVarint
	tagDouble = 4<<3 | wireFixed64
)

// plainAttr pushes the attribute that b is, a KeyValue of fewer than 128 bytes,
// on the stack of attributes. It reports false for any other form than that of
// nearly all, which says nothing about whether that is valid.
func (d *decoder) plainAttr(b []byte) bool {
	if len(b) < 2 || b[0] != tagKey {
		return false
	}
	key := int(b[1])
	at := 2 + key // where the value begins
	if key == 0 || len(b) < at+4 || b[at] != tagValue || int(b[at+1]) != len(b)-at-2 {
		return false
	}
	a := d.attrs.next()
	if !plainValue(&a.Value, b[at+2], b[at+3:]) {
		d.attrs.drop()
		return false
	}
	a.Key = unsafe.String(&b[2], key)
	return true
}

// plainValue reads the value of a tag, which is all of b.
func plainValue(v *telemetry.Value, tag byte, b []byte) bool {
	switch tag {
	case tagString:
		if len(b) < 2 || int(b[0]) != len(b)-1 {
			return false
		}
		*v = telemetry.String(unsafe.String(&b[1], len(b)-1))
	case tagBool, tagInt:
		n, size := uint64(b[0]), 1
		if n >= 0x80 {
			n, size = binary.Uvarint(b)
		}
		if size != len(b) {
			return false
		}
		if tag == tagBool {
			*v = telemetry.Bool(n != 0)
		} else {
			*v = telemetry.Int(int64(n))
		}
	case tagDouble:
		if len(b) != 8 {
			return false
		}
		*v = telemetry.Double(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	default:
		return false
	}
	return true
}
