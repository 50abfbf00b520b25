package search

import (
	"slices"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/document"
	"github.com/clewhq/clew/telemetry"
)

// Term is a query of documents that have a value in a field.
func Term(field string, value any) any {
	return map[string]any{"term": map[string]any{field: value}}
}

// Range is a query of documents whose field is within bounds.
func Range(field string, bounds map[string]any) any {
	return map[string]any{"range": map[string]any{field: bounds}}
}

// exists is a query of documents that have a field.
func exists(field string) any { return map[string]any{"exists": map[string]any{"field": field}} }

// Bool is a query of conditions that all hold, and of some that do not.
func Bool(filter, not []any) any {
	b := map[string]any{}
	if len(filter) > 0 {
		b["filter"] = filter
	}
	if len(not) > 0 {
		b["must_not"] = not
	}
	return map[string]any{"bool": b}
}

// Either is a query of conditions of which one holds.
func Either(should ...any) any {
	return map[string]any{"bool": map[string]any{"should": should, "minimum_should_match": 1}}
}

// Times bounds @timestamp, which knows no times before 1970: those stand
// at its beginning.
func Times(dst []any, from, to int64) []any {
	bounds := map[string]any{}
	if from > 0 {
		bounds["gte"] = document.FormatTime(from)
	}
	if to != 0 {
		bounds["lt"] = document.FormatTime(to)
	}
	if len(bounds) == 0 {
		return dst
	}
	return append(dst, Range("@timestamp", bounds))
}

func idFilter(dst []any, ids []string) []any {
	if len(ids) == 0 {
		return dst
	}
	terms := make([]string, 0, len(ids))
	for _, id := range ids {
		terms = append(terms, document.IDTerm(correlation.Normalize(id)))
	}
	slices.Sort(terms)
	return append(dst, map[string]any{"terms": map[string]any{"clew.ids": slices.Compact(terms)}})
}

// maxStreamTerms bounds a list of terms; Elasticsearch's own default bound is
// 65,536. Beyond it the streams are told apart here.
const maxStreamTerms = 20_000

// Streams keeps the records of streams.
func Streams(dst []any, streams []*telemetry.Stream) []any {
	if len(streams) > maxStreamTerms {
		return dst
	}
	terms := make([]string, len(streams))
	for i, st := range streams {
		terms[i] = document.StreamTerm(st.ID)
	}
	slices.Sort(terms)
	return append(dst, map[string]any{"terms": map[string]any{"clew.stream": terms}})
}

// textFilter keeps the records whose body has the words of every literal. The
// field is indexed by words of ASCII letters and others; a record with a word
// so long that Elasticsearch cuts it is always kept.
func textFilter(dst []any, literals []string) []any {
	var words []any
	for _, lit := range literals {
		for _, w := range document.Words(lit) {
			switch {
			case w.Begins && w.Ends:
				words = append(words, Term("body.text", w.Text))
			case w.Begins:
				words = append(words, map[string]any{"prefix": map[string]any{"body.text": w.Text}})
			case len(w.Text) < minInfix:
				continue // nearly every body has it, and looking for it is dear
			case w.Ends:
				words = append(words, wildcard("*"+w.Text))
			default:
				words = append(words, wildcard("*"+w.Text+"*"))
			}
		}
	}
	if len(words) == 0 {
		return dst
	}
	return append(dst, Either(Bool(words, nil), Term("clew.long_word", true)))
}

// minInfix is the shortest part of a word that is looked for within words.
const minInfix = 3

func wildcard(pattern string) any {
	return map[string]any{"wildcard": map[string]any{"body.text": map[string]any{"value": pattern}}}
}

// Logs finds what a query of log records selects, and what it leaves to the
// reader.
func Logs(q storage.LogQuery) []any {
	f := Times(nil, q.From, q.To)
	f = idFilter(f, q.IDs)
	f = textFilter(f, q.Text)
	if q.MinSeverity > 0 {
		f = append(f, Either(
			Range("severity_number", map[string]any{"gte": q.MinSeverity}),
			Bool(nil, []any{exists("severity_number")}),
		))
	}
	return f
}

// Spans finds what a query of spans selects.
func Spans(q storage.SpanQuery) []any {
	f := Times(nil, q.From, q.To)
	f = idFilter(f, q.IDs)
	if len(q.TraceIDs) > 0 {
		ids := make([]string, len(q.TraceIDs))
		for i, id := range q.TraceIDs {
			ids[i] = id.String()
		}
		slices.Sort(ids)
		f = append(f, map[string]any{"terms": map[string]any{"trace_id": slices.Compact(ids)}})
	}
	if q.MinDuration > 0 {
		f = append(f, Range("duration", map[string]any{"gte": int64(q.MinDuration)}))
	}
	return f
}

// Order is that of an answer: as documents are stored, or by time, the newest
// first or last. Its last keys are the same for no two documents.
//
// Neighbours of one stream stand in one compressed block of an index, neighbours
// in time in as many as there are streams, and to fetch one document its block is
// unpacked: where any order will do, that of the blocks costs least.
func Order(stored, newest bool) []any {
	way := "asc"
	if newest && !stored {
		way = "desc"
	}
	out := []any{byTime(way), by("clew.stream", way), by("clew.seq", way), by("clew.tie", way)}
	if stored {
		out[0], out[1] = out[1], out[0]
	}
	return out
}

// FirstSpan is the order of storage.SpanGroup.Sample.
func FirstSpan() []any { return []any{byTime("asc"), by("duration", "asc")} }

func by(field, way string) any {
	return map[string]any{field: map[string]any{"order": way}}
}

func byTime(way string) any {
	return map[string]any{"@timestamp": map[string]any{"order": way, "format": "strict_date_optional_time_nanos", "numeric_type": "date_nanos"}}
}
