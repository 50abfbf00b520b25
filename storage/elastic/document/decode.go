package document

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/telemetry"
)

// decoder reads members of a document; err is the first thing that was wrong.
type decoder struct {
	src *fastjson.Value
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) text(path ...string) string { return string(d.src.GetStringBytes(path...)) }

func (d *decoder) time(key string) int64 {
	s := d.text(key)
	if s == "" {
		return 0
	}
	t, err := ParseTime(s)
	if err != nil {
		d.fail(fmt.Errorf("read %s: %w", key, err))
	}
	return t
}

func (d *decoder) traceID(key string) (id telemetry.TraceID) {
	if s := d.text(key); s != "" {
		var ok bool
		if id, ok = telemetry.ParseTraceID(s); !ok {
			d.fail(fmt.Errorf("read %s: %q is no trace ID", key, s))
		}
	}
	return id
}

func (d *decoder) spanID(key string) (id telemetry.SpanID) {
	if s := d.text(key); s != "" {
		var ok bool
		if id, ok = telemetry.ParseSpanID(s); !ok {
			d.fail(fmt.Errorf("read %s: %q is no span ID", key, s))
		}
	}
	return id
}

// attrs reads attributes, in the order they stand in.
func (d *decoder) attrs(key string) telemetry.Attrs {
	o := d.src.GetObject(key)
	if o == nil || o.Len() == 0 {
		return nil
	}
	out := make(telemetry.Attrs, 0, o.Len())
	o.Visit(func(k []byte, v *fastjson.Value) {
		out = append(out, telemetry.Attr{Key: string(k), Value: d.value(v)})
	})
	return out
}

func (d *decoder) value(v *fastjson.Value) telemetry.Value {
	switch v.Type() {
	case fastjson.TypeString:
		return telemetry.String(string(v.GetStringBytes()))
	case fastjson.TypeTrue:
		return telemetry.Bool(true)
	case fastjson.TypeFalse:
		return telemetry.Bool(false)
	case fastjson.TypeNumber:
		return d.number(string(v.MarshalTo(nil)))
	case fastjson.TypeArray:
		list := v.GetArray()
		out := make([]telemetry.Value, len(list))
		for i := range list {
			out[i] = d.value(list[i])
		}
		return telemetry.Array(out)
	case fastjson.TypeObject:
		d.fail(fmt.Errorf("read an attribute: an object, which clew does not write"))
	}
	return telemetry.Value{}
}

func (d *decoder) number(s string) telemetry.Value {
	if strings.ContainsAny(s, ".eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			d.fail(fmt.Errorf("read a number: %w", err))
		}
		return telemetry.Double(f)
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		d.fail(fmt.Errorf("read a number: %w", err))
	}
	return telemetry.Int(n)
}

func decodeRaw(b64 []byte) ([]byte, error) {
	b, err := base64.StdEncoding.AppendDecode(nil, b64)
	if err != nil {
		return nil, fmt.Errorf("read clew.raw: %w", err)
	}
	return b, nil
}
