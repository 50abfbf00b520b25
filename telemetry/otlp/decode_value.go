package otlp

import (
	"math"
	"unsafe"

	"github.com/clewhq/clew/telemetry"
)

// maxDepth is how deep values may be nested. Deeper ones could exhaust the
// stack, here and in every reader after; nothing honest comes near.
const maxDepth = 64

const (
	attrSize  = int(unsafe.Sizeof(telemetry.Attr{}))
	valueSize = int(unsafe.Sizeof(telemetry.Value{}))
	// compositeSize is what an array or map takes beside its elements.
	compositeSize = 2 * int(unsafe.Sizeof([]telemetry.Value{}))
)

var (
	valueFields = []string{1: "string_value", 2: "bool_value", 3: "int_value", 4: "double_value",
		5: "array_value", 6: "kvlist_value", 7: "bytes_value"}
	attrFields = []string{1: "key", 2: "value"}
)

// attr reads the KeyValue field at hand and pushes it on the stack of
// attributes.
func (d *decoder) attr(r *reader, wire, depth int) error {
	if n := plainLength(r, wire); n > 0 && d.budget >= attrSize && d.plainAttr(r.buf[r.pos+1:r.pos+1+n]) {
		d.budget -= attrSize
		r.pos += 1 + n
		return nil
	}
	sub, err := r.message(wire)
	if err != nil {
		return err
	}
	if err := d.charge(attrSize, sub.pos); err != nil {
		return err
	}
	var a telemetry.Attr
	for sub.more() {
		num, wire, err := sub.field()
		if err == nil {
			switch num {
			case 1:
				a.Key, err = sub.text(wire)
			case 2:
				err = d.value(&sub, wire, &a.Value, depth)
			default:
				err = sub.skip(wire)
			}
		}
		if err != nil {
			return inField(err, attrFields, num)
		}
	}
	d.attrs.push(a)
	return nil
}

// value reads the AnyValue field at hand into v. A field that comes twice is
// merged: the last value that was set stays.
func (d *decoder) value(r *reader, wire int, v *telemetry.Value, depth int) error {
	sub, err := r.message(wire)
	if err != nil {
		return err
	}
	if depth >= maxDepth {
		return sub.fail(sub.pos, "values are nested more than %d deep", maxDepth)
	}
	for sub.more() {
		num, wire, err := sub.field()
		if err == nil {
			err = d.valueField(&sub, num, wire, v, depth)
		}
		if err != nil {
			return inField(err, valueFields, num)
		}
	}
	return nil
}

func (d *decoder) valueField(r *reader, num, wire int, v *telemetry.Value, depth int) error {
	switch num {
	case 1:
		s, err := r.text(wire)
		*v = telemetry.String(s)
		return err
	case 2:
		n, err := r.uint64(wire)
		*v = telemetry.Bool(n != 0)
		return err
	case 3:
		n, err := r.uint64(wire)
		*v = telemetry.Int(int64(n))
		return err
	case 4:
		n, err := r.fixed64(wire)
		*v = telemetry.Double(math.Float64frombits(n))
		return err
	case 5:
		list, err := d.list(r, wire, depth+1)
		*v = telemetry.Array(list)
		return err
	case 6:
		kvs, err := d.kvlist(r, wire, depth+1)
		*v = telemetry.Map(kvs)
		return err
	case 7:
		s, err := r.text(wire)
		*v = telemetry.Bytes(s)
		return err
	}
	return r.skip(wire)
}

// list reads the ArrayValue field at hand.
func (d *decoder) list(r *reader, wire, depth int) ([]telemetry.Value, error) {
	sub, err := r.message(wire)
	if err != nil {
		return nil, err
	}
	if err := d.charge(compositeSize, sub.pos); err != nil {
		return nil, err
	}
	mark := d.values.mark()
	for sub.more() {
		num, wire, err := sub.field()
		if err != nil {
			return nil, err
		}
		if num != 1 {
			if err := sub.skip(wire); err != nil {
				return nil, inField(err, nil, num)
			}
			continue
		}
		var v telemetry.Value
		err = d.charge(valueSize, sub.pos)
		if err == nil {
			err = d.value(&sub, wire, &v, depth)
		}
		if err != nil {
			return nil, inElement(err, "values", d.values.mark()-mark)
		}
		d.values.push(v)
	}
	return d.values.take(mark), nil
}

// kvlist reads the KeyValueList field at hand.
func (d *decoder) kvlist(r *reader, wire, depth int) (telemetry.Attrs, error) {
	sub, err := r.message(wire)
	if err != nil {
		return nil, err
	}
	if err := d.charge(compositeSize, sub.pos); err != nil {
		return nil, err
	}
	mark := d.attrs.mark()
	for sub.more() {
		num, wire, err := sub.field()
		if err != nil {
			return nil, err
		}
		if num != 1 {
			if err := sub.skip(wire); err != nil {
				return nil, inField(err, nil, num)
			}
			continue
		}
		if err := d.attr(&sub, wire, depth); err != nil {
			return nil, inElement(err, "values", d.attrs.mark()-mark)
		}
	}
	return d.attrs.take(mark), nil
}
