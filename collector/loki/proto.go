package loki

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clewhq/clew/telemetry"
)

// fields calls f for every field of a protobuf message with its number and
// its bytes (length-delimited) or its number (varint).
func fields(b []byte, f func(num protowire.Number, bytes []byte, varint uint64) error) error {
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var sub []byte
		var v uint64
		switch kind {
		case protowire.BytesType:
			sub, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
			sub = nil
		default:
			n = protowire.ConsumeFieldValue(num, kind, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := f(num, sub, v); err != nil {
			return err
		}
	}
	return nil
}

// decodeProto reads a PushRequest. A stream whose labels are bad is returned
// with its error; bytes that are no PushRequest are an error of the request.
func decodeProto(b []byte) ([]stream, error) {
	var out []stream
	err := fields(b, func(num protowire.Number, sub []byte, _ uint64) error {
		if num != 1 {
			return nil
		}
		s, err := protoStream(sub)
		if err != nil {
			return fmt.Errorf("streams[%d]: %w", len(out), err)
		}
		out = append(out, s)
		return nil
	})
	return out, err
}

func protoStream(b []byte) (stream, error) {
	var s stream
	var labels string
	err := fields(b, func(num protowire.Number, sub []byte, _ uint64) error {
		switch num {
		case 1:
			labels = string(sub)
		case 2:
			e, err := protoEntry(sub)
			if err != nil {
				return fmt.Errorf("entries[%d]: %w", len(s.entries), err)
			}
			s.entries = append(s.entries, e)
		}
		return nil
	})
	if err != nil {
		return stream{}, err
	}
	s.labels, s.err = parseLabels(labels)
	return s, nil
}

func protoEntry(b []byte) (entry, error) {
	var e entry
	err := fields(b, func(num protowire.Number, sub []byte, _ uint64) (err error) {
		switch num {
		case 1:
			e.time, err = protoTime(sub)
		case 2:
			e.line = string(sub)
		case 3:
			var pair telemetry.Attr
			if pair, err = protoPair(sub); err == nil {
				e.metadata = append(e.metadata, pair)
			}
		}
		return err
	})
	return e, err
}

func protoTime(b []byte) (int64, error) {
	var seconds, nanos int64
	err := fields(b, func(num protowire.Number, _ []byte, v uint64) error {
		switch num {
		case 1:
			seconds = int64(v)
		case 2:
			nanos = int64(int32(v))
		}
		return nil
	})
	if err == nil && (seconds < 0 || nanos < 0 || nanos >= 1e9) {
		err = errors.New("timestamp: want seconds not below 0 and nanos in 0..999999999")
	}
	if seconds >= math.MaxInt64/int64(1e9) {
		return math.MaxInt64, err // admission says that it is too far ahead
	}
	return seconds*1e9 + nanos, err
}

func protoPair(b []byte) (telemetry.Attr, error) {
	var name, value string
	err := fields(b, func(num protowire.Number, sub []byte, _ uint64) error {
		switch num {
		case 1:
			name = string(sub)
		case 2:
			value = string(sub)
		}
		return nil
	})
	return telemetry.Attr{Key: name, Value: telemetry.String(value)}, err
}
