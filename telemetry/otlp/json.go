package otlp

import (
	"bytes"
	"encoding/binary"
)

// LogsFromJSON turns an ExportLogsServiceRequest in OTLP's JSON into the
// protobuf bytes of the same request. It takes what the protobuf JSON mapping
// and OTLP's own rules allow: names in lowerCamel and in snake case, 64-bit
// numbers as strings and as numbers, enums by number and by name, trace and
// span IDs in hex, and in base64; unknown fields are passed over, null is as good as absent.
// An ID that is neither of the right length becomes bytes of a wrong length,
// so that CheckLogs tells of it and the other records are kept.
func LogsFromJSON(body []byte) ([]byte, error) { return fromJSON(body, jsonSchema.logs) }

// SpansFromJSON is LogsFromJSON for an ExportTraceServiceRequest.
func SpansFromJSON(body []byte) ([]byte, error) { return fromJSON(body, jsonSchema.traces) }

// MetricsFromJSON is LogsFromJSON for an ExportMetricsServiceRequest. An
// exemplar's ID that is not one is left out.
func MetricsFromJSON(body []byte) ([]byte, error) { return fromJSON(body, jsonSchema.metrics) }

func fromJSON(body []byte, m *jsonMessage) ([]byte, error) {
	r := jsonReader{buf: body}
	dst, err := r.message(make([]byte, 0, len(body)/2), m)
	if err != nil {
		return nil, err
	}
	if r.space(); r.pos < len(r.buf) {
		return nil, r.fail(r.pos, "unexpected %s behind the request", r.what())
	}
	return dst, nil
}

// message reads an object and appends its fields.
func (r *jsonReader) message(dst []byte, m *jsonMessage) ([]byte, error) {
	if err := r.open('{', "an object"); err != nil {
		return dst, err
	}
	for first := true; ; first = false {
		more, err := r.next('}', first)
		if !more {
			return dst, err
		}
		key, err := r.key()
		if err != nil {
			return dst, err
		}
		f := m.fields[string(key)]
		switch {
		case f == nil:
			name := bytes.Clone(key)
			if err := r.skip(); err != nil {
				return dst, in(err, string(name))
			}
		case r.null():
		case f.repeated:
			if dst, err = r.list(dst, f); err != nil {
				return dst, err
			}
		default:
			if dst, err = r.single(dst, f); err != nil {
				return dst, in(err, f.name)
			}
		}
	}
}

// list reads an array and appends an element for each of its values.
func (r *jsonReader) list(dst []byte, f *jsonField) (_ []byte, err error) {
	if f.packed {
		elements := *f
		elements.num = 0 // packed numbers have no tags of their own
		dst = appendMessage(dst, f.num, func(dst []byte) []byte {
			dst, err = r.elements(dst, &elements)
			return dst
		})
		return dst, err
	}
	return r.elements(dst, f)
}

func (r *jsonReader) elements(dst []byte, f *jsonField) ([]byte, error) {
	if err := r.open('[', "an array"); err != nil {
		return dst, in(err, f.name)
	}
	for i := 0; ; i++ {
		more, err := r.next(']', i == 0)
		if !more {
			return dst, in(err, f.name)
		}
		if dst, err = r.single(dst, f); err != nil {
			return dst, inElement(err, f.name, i)
		}
	}
}

// single reads one value and appends it as field f.
func (r *jsonReader) single(dst []byte, f *jsonField) (_ []byte, err error) {
	if f.kind == jsonSub {
		dst = appendMessage(dst, f.num, func(dst []byte) []byte {
			dst, err = r.message(dst, f.message)
			return dst
		})
		return dst, err
	}
	v, err := r.scalar(kindNames[f.kind])
	if err != nil {
		return dst, err
	}
	bits, text, err := f.parse(v)
	if err != nil {
		return dst, r.fail(v.offset, "%w", err)
	}
	return f.append(dst, bits, text), nil
}

// append appends a scalar: text where f is a text, else bits. Zero is left
// out, as proto3 does, except where being there means something.
func (f *jsonField) append(dst []byte, bits uint64, text []byte) []byte {
	wire := f.kind.wire()
	if f.num > 0 {
		if !f.explicit && bits == 0 && len(text) == 0 {
			return dst
		}
		dst = appendTag(dst, f.num, wire)
	}
	switch wire {
	case wireLen:
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		return append(dst, text...)
	case wireFixed64:
		return binary.LittleEndian.AppendUint64(dst, bits)
	case wireFixed32:
		return binary.LittleEndian.AppendUint32(dst, uint32(bits))
	}
	return binary.AppendUvarint(dst, bits)
}

// zigzag is how protobuf's sint32 keeps small negative numbers small.
func zigzag(n int64) uint64 { return uint64(uint32(n)<<1 ^ uint32(int32(n)>>31)) }
