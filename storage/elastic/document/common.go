package document

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"

	"github.com/zeebo/xxh3"

	"github.com/clewhq/clew/telemetry"
)

// maxIDTerm is the longest ID that is a term by itself.
const maxIDTerm = 512

// IDTerm is the term under which an ID in its normal form stands in clew.ids.
// Elasticsearch refuses very long terms; of those it gets a hash.
func IDTerm(normal string) string {
	if len(normal) <= maxIDTerm {
		return normal
	}
	h := xxh3.HashString128(normal).Bytes()
	return "hash:" + hex.EncodeToString(h[:])
}

// StreamTerm is the term of a stream.
func StreamTerm(id telemetry.StreamID) string { return hex.EncodeToString(id[:]) }

// Order is the order of the records of one nanosecond, the same whenever they
// are written: by Seq, when they came, and then by Tie, which no two share.
type Order struct{ Seq, Tie int64 }

// own writes the fields that are clew's: what a read goes by.
func (e *encoder) own(s *telemetry.Stream, o Order, size int64, longWord bool) {
	e.key("clew")
	e.buf = append(e.buf, '{')
	e.hex("stream", s.ID[:])
	e.key("seq")
	e.scalar(telemetry.Int(o.Seq))
	e.key("tie")
	e.scalar(telemetry.Int(o.Tie))
	e.num("size", size)
	if longWord {
		e.key("long_word")
		e.raw("true")
	}
	if len(e.ids) > 0 {
		e.correlated()
	}
}

// AllOdd stands among the odd keys of a document that is not exact.
const AllOdd = "*"

// odd writes the keys of attributes whose fields do not tell what they are:
// those with odd values.
func (e *encoder) odd(attrs telemetry.Attrs, oddly func(telemetry.Value) bool) {
	some := false
	add := func(key string) {
		if !some {
			e.key("odd")
			e.raw("[")
		} else {
			e.raw(",")
		}
		some = true
		e.text(key)
	}
	if !e.exact {
		add(AllOdd)
	} else {
		for i := range attrs {
			if oddly(attrs[i].Value) {
				add(attrs[i].Key)
			}
		}
	}
	if some {
		e.raw("]")
	}
}

// oddText reports whether a value's text is not what Elasticsearch would tell:
// it has lists as several values, and 2.0 where the text is 2.
func oddText(v telemetry.Value) bool {
	return v.Kind() == telemetry.KindArray || v.Kind() == telemetry.KindDouble && v.Text() != jsonNumber(v)
}

// jsonNumber is a number as documents hold it.
func jsonNumber(v telemetry.Value) string {
	e := &encoder{}
	e.scalar(v)
	return string(e.buf)
}

// correlated writes every ID once.
func (e *encoder) correlated() {
	ids := e.ids
	e.key("ids")
	e.buf = append(e.buf, '[')
	for i := range ids {
		twice := false
		for j := 0; j < i && !twice; j++ {
			twice = ids[j].Value == ids[i].Value
		}
		if twice {
			continue
		}
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.text(IDTerm(ids[i].Value))
	}
	e.buf = append(e.buf, ']')
}

// end closes the clew object and the document, with the record as OTLP where
// the JSON alone does not tell it.
func (e *encoder) end(otlp func() []byte) {
	if !e.exact {
		e.key("raw")
		e.buf = append(e.buf, '"')
		e.buf = base64.StdEncoding.AppendEncode(e.buf, otlp())
		e.buf = append(e.buf, '"')
	}
	e.raw("}}")
}

// origin writes resource and scope, for people: they are read back from the
// stream's own document, so that nothing is lost where these are not exact.
func (e *encoder) origin(s *telemetry.Stream) {
	if known := e.origins[s]; known != nil {
		e.buf = append(e.buf, known...)
		return
	}
	exact, start := e.exact, len(e.buf)
	r, sc := &s.Resource, &s.Scope
	e.key("resource")
	e.buf = append(e.buf, '{')
	e.attrs("attributes", r.Attrs)
	e.num("dropped_attributes_count", int64(r.Dropped))
	e.str("schema_url", r.SchemaURL)
	e.raw("}")
	if sc.Name != "" || len(sc.Attrs) > 0 {
		e.key("scope")
		e.buf = append(e.buf, '{')
		e.str("name", sc.Name)
		e.str("version", sc.Version)
		e.attrs("attributes", sc.Attrs)
		e.num("dropped_attributes_count", int64(sc.Dropped))
		e.str("schema_url", sc.SchemaURL)
		e.raw("}")
	}
	e.exact = exact
	if e.origins != nil {
		e.origins[s] = bytes.Clone(e.buf[start:])
	}
}

// attrsSize is about what attributes hold, before any compression.
func attrsSize(attrs telemetry.Attrs) int64 {
	var n int64
	for i := range attrs {
		n += int64(len(attrs[i].Key)) + valueSize(attrs[i].Value)
	}
	return n
}

// numberSize is what a number, a boolean or an entry of a list takes.
const numberSize = 8

func valueSize(v telemetry.Value) int64 {
	switch v.Kind() {
	case telemetry.KindString, telemetry.KindBytes:
		return int64(len(v.Str()))
	case telemetry.KindArray:
		var n int64
		for _, e := range v.List() {
			n += numberSize + valueSize(e)
		}
		return n
	case telemetry.KindMap:
		return attrsSize(v.Map())
	}
	return numberSize
}
