package otlp

import (
	"encoding/binary"
	"slices"
)

// appendMessage appends field num with what fields appends as its message.
// One byte is held free for the length; a longer message is moved up, which
// costs less than measuring everything beforehand.
func appendMessage(dst []byte, num int, fields func([]byte) []byte) []byte {
	dst = appendTag(dst, num, wireLen)
	dst = append(dst, 0)
	start := len(dst)
	dst = fields(dst)
	n := len(dst) - start
	if n < 0x80 {
		dst[start-1] = byte(n)
		return dst
	}
	var length [binary.MaxVarintLen64]byte
	w := binary.PutUvarint(length[:], uint64(n))
	dst = slices.Grow(dst, w-1)[:len(dst)+w-1]
	copy(dst[start-1+w:], dst[start:start+n])
	copy(dst[start-1:], length[:w])
	return dst
}

func appendTag(dst []byte, num, wire int) []byte {
	return binary.AppendUvarint(dst, uint64(num)<<3|uint64(wire))
}

// The functions below leave out a zero value, as proto3 does.

func appendUint(dst []byte, num int, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return binary.AppendUvarint(appendTag(dst, num, wireVarint), v)
}

func appendFixed64(dst []byte, num int, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return binary.LittleEndian.AppendUint64(appendTag(dst, num, wireFixed64), v)
}

func appendFixed32(dst []byte, num int, v uint32) []byte {
	if v == 0 {
		return dst
	}
	return binary.LittleEndian.AppendUint32(appendTag(dst, num, wireFixed32), v)
}

func appendText(dst []byte, num int, s string) []byte {
	if s == "" {
		return dst
	}
	dst = binary.AppendUvarint(appendTag(dst, num, wireLen), uint64(len(s)))
	return append(dst, s...)
}

func appendBytes(dst []byte, num int, b []byte) []byte {
	dst = binary.AppendUvarint(appendTag(dst, num, wireLen), uint64(len(b)))
	return append(dst, b...)
}
