package loki

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"net/http"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/pipeline"
)

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	encode(w, v)
}

// warningHeader is the same in the APIs of traces.
const warningHeader = "X-Clew-Warning"

// warn says in headers what is missing of an answer whose message has no place
// for it.
func warn(w http.ResponseWriter, warnings []string) {
	for _, text := range warnings {
		w.Header().Add(warningHeader, text)
	}
}

// encode writes v and leaves <, > and & as they are: queries are full of them.
func encode(w http.ResponseWriter, v any) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}

// writer writes JSON by hand: answers are large, and Grafana reads their keys
// in order (resultType, encodingFlags, result).
type writer struct {
	w      http.ResponseWriter
	buf    []byte
	labels []pipeline.Label // of one category, while they are written
}

// buffers are those in which answers and their keys are put together.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxBuffer is the largest that is kept for the next answer.
const maxBuffer = 1 << 20

func keepBuffer(buf *[]byte, used []byte) {
	if cap(used) <= maxBuffer {
		*buf = used[:0]
		buffers.Put(buf)
	}
}

// flushAt is when the buffer goes to the network.
const flushAt = 64 << 10

func (w *writer) raw(s string) {
	w.buf = append(w.buf, s...)
	w.flushIfFull()
}

func (w *writer) flushIfFull() {
	if len(w.buf) >= flushAt {
		w.flush()
	}
}

func (w *writer) flush() {
	_, _ = w.w.Write(w.buf)
	w.buf = w.buf[:0]
}

// plain tells the bytes that stand in a JSON string as they are.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// str writes a JSON string. Bytes that are no text become the replacement
// character, as JSON has no other way to say them.
func (w *writer) str(s string) {
	w.buf = append(w.buf, '"')
	for len(s) > 0 {
		n := plainBytes(s)
		w.buf = append(w.buf, s[:n]...)
		if s = s[n:]; len(s) > 0 {
			s = s[w.escape(s):]
		}
	}
	w.buf = append(w.buf, '"')
	w.flushIfFull()
}

// plainBytes counts the bytes of s before the first that does not stand as it
// is: eight at a time, of which marks has the high bit of each that may not.
func plainBytes(s string) (n int) {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; len(s)-n >= 8; n += 8 {
		x := binary.LittleEndian.Uint64([]byte(s[n : n+8]))
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		// A byte below another borrows from the next one, which at worst is
		// looked at in vain.
		marks := (x | (x - ones*0x20) | (quote - ones) | (slash - ones)) & high
		if marks != 0 {
			n += bits.TrailingZeros64(marks) / 8
			break
		}
	}
	for n < len(s) && plain[s[n]] {
		n++
	}
	return n
}

// escape writes the first character of s and returns its length.
func (w *writer) escape(s string) int {
	const hexDigits = "0123456789abcdef"
	switch c := s[0]; {
	case c >= utf8.RuneSelf:
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			w.buf = append(w.buf, "\ufffd"...)
			return 1
		}
		w.buf = append(w.buf, s[:size]...)
		return size
	case c == '"' || c == '\\':
		w.buf = append(w.buf, '\\', c)
	case c == '\n':
		w.buf = append(w.buf, '\\', 'n')
	case c == '\r':
		w.buf = append(w.buf, '\\', 'r')
	case c == '\t':
		w.buf = append(w.buf, '\\', 't')
	default:
		w.buf = append(w.buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return 1
}

// object writes {"name":"value",...}.
func (w *writer) object(labels []entry.Label) {
	w.buf = append(w.buf, '{')
	for i := range labels {
		w.pair(i, labels[i].Name, labels[i].Value)
	}
	w.raw("}")
}

// fields is object for labels as a pipeline has them.
func (w *writer) fields(labels []pipeline.Label) {
	w.buf = append(w.buf, '{')
	for i := range labels {
		w.pair(i, labels[i].Name, labels[i].Value)
	}
	w.raw("}")
}

func (w *writer) pair(i int, name, value string) {
	if i > 0 {
		w.buf = append(w.buf, ',')
	}
	w.str(name)
	w.buf = append(w.buf, ':')
	w.str(value)
}

// point writes [seconds,"value"].
func (w *writer) point(p logql.Point) {
	w.raw("[" + strconv.FormatFloat(float64(p.Time)/1000, 'f', -1, 64) + `,"` + strconv.FormatFloat(p.Value, 'f', -1, 64) + `"]`)
}

// writeResult writes the answer to a query.
// explain, if not nil, is added.
func writeResult(rw http.ResponseWriter, res *logql.Result, categorize bool, explain *explanation) {
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	buf := buffers.Get().(*[]byte)
	w := &writer{w: rw, buf: (*buf)[:0]}
	defer func() { keepBuffer(buf, w.buf) }()
	w.raw(`{"status":"success","data":{"resultType":`)
	w.str(string(res.Kind))
	if categorize {
		w.raw(`,"encodingFlags":["` + categorizeFlag + `"]`)
	}
	w.raw(`,"result":`)
	switch res.Kind {
	case logql.KindStreams:
		w.streams(res.Rows, categorize)
	case logql.KindScalar:
		w.point(res.Scalar)
	default:
		w.series(res.Series, res.Kind == logql.KindVector)
	}
	w.raw(`,"stats":`)
	w.value(statsOf(res.Stats))
	w.raw("}")
	if len(res.Warnings) > 0 {
		w.raw(`,"warnings":`)
		w.value(res.Warnings)
	}
	if explain != nil {
		w.raw(`,"explain":`)
		w.value(explain)
	}
	w.raw("}\n")
	w.flush()
}

func (w *writer) value(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		b = []byte("null")
	}
	w.raw(string(b))
}

func (w *writer) series(series []logql.Series, vector bool) {
	w.raw("[")
	for i, s := range series {
		if i > 0 {
			w.raw(",")
		}
		w.raw(`{"metric":`)
		w.object(s.Labels)
		if vector {
			w.raw(`,"value":`)
			w.point(s.Points[0])
		} else {
			w.raw(`,"values":[`)
			for j, p := range s.Points {
				if j > 0 {
					w.raw(",")
				}
				w.point(p)
			}
			w.raw("]")
		}
		w.raw("}")
	}
	w.raw("]")
}

func (w *writer) streams(rows []logql.Row, categorize bool) {
	w.raw("[")
	for i, s := range groupRows(rows, categorize) {
		if i > 0 {
			w.raw(",")
		}
		w.raw(`{"stream":`)
		w.fields(s.labels)
		w.raw(`,"values":[`)
		for j, row := range s.rows {
			if j > 0 {
				w.raw(",")
			}
			w.buf = append(strconv.AppendInt(append(w.buf, `["`...), row.Time, 10), `",`...)
			w.str(row.Line)
			if categorize {
				w.categories(row.Labels)
			}
			w.raw("]")
		}
		w.raw("]}")
	}
	w.raw("]")
}

// categories writes the third element of a categorized entry.
func (w *writer) categories(labels []pipeline.Label) {
	w.raw(",{")
	comma := ""
	for _, c := range []struct {
		key string
		cat pipeline.Category
	}{{"structuredMetadata", pipeline.FromMeta}, {"parsed", pipeline.FromParser}} {
		if w.labels = appendCategory(w.labels[:0], labels, c.cat); len(w.labels) > 0 {
			w.raw(comma + `"` + c.key + `":`)
			w.fields(w.labels)
			comma = ","
		}
	}
	w.raw("}")
}
