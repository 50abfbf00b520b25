package loki

import (
	"encoding/json"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/pipeline"
)

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	encode(w, v)
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
	w   http.ResponseWriter
	buf []byte
}

// flushAt is when the buffer goes to the network.
const flushAt = 64 << 10

func (w *writer) raw(s string) {
	w.buf = append(w.buf, s...)
	if len(w.buf) >= flushAt {
		w.flush()
	}
}

func (w *writer) flush() {
	_, _ = w.w.Write(w.buf)
	w.buf = w.buf[:0]
}

// str writes a JSON string. Bytes that are no text become the replacement
// character, as JSON has no other way to say them.
func (w *writer) str(s string) {
	const hexDigits = "0123456789abcdef"
	b := append(w.buf, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(b, s[start:i]...)
				b = append(b, "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	w.buf = append(append(b, s[start:]...), '"')
	w.raw("")
}

// object writes {"name":"value",...}.
func (w *writer) object(labels []entry.Label) {
	w.raw("{")
	for i, l := range labels {
		if i > 0 {
			w.raw(",")
		}
		w.str(l.Name)
		w.raw(":")
		w.str(l.Value)
	}
	w.raw("}")
}

// point writes [seconds,"value"].
func (w *writer) point(p logql.Point) {
	w.raw("[" + strconv.FormatFloat(float64(p.Time)/1000, 'f', -1, 64) + `,"` + strconv.FormatFloat(p.Value, 'f', -1, 64) + `"]`)
}

// writeResult writes the answer to a query.
func writeResult(rw http.ResponseWriter, res *logql.Result, categorize, explain bool) {
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	w := &writer{w: rw}
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
	if explain {
		w.raw(`,"explain":`)
		w.value(explainOf(res))
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
		w.object(s.labels)
		w.raw(`,"values":[`)
		for j, row := range s.rows {
			if j > 0 {
				w.raw(",")
			}
			w.raw(`["` + strconv.FormatInt(row.Time, 10) + `",`)
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
		var out []entry.Label
		for _, l := range labels {
			if l.Category == c.cat {
				out = append(out, entry.Label{Name: l.Name, Value: l.Value})
			}
		}
		if len(out) > 0 {
			w.raw(comma + `"` + c.key + `":`)
			w.object(out)
			comma = ","
		}
	}
	w.raw("}")
}

func explainOf(res *logql.Result) map[string]any {
	s := res.Stats
	return map[string]any{
		"plan": res.Plan,
		"read": map[string]any{
			"segments": s.Store.Segments, "segments_skipped": s.Store.SegmentsSkipped,
			"blocks": s.Store.Blocks, "blocks_skipped": s.Store.BlocksSkipped,
			"rows": s.Store.Rows, "bytes": s.Store.Bytes, "records_processed": s.Lines, "line_bytes": s.Bytes,
		},
		"seconds": s.Elapsed.Seconds(),
		"whole":   len(res.Warnings) == 0,
	}
}
