package segment

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/column"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/telemetry"
)

// CountGroups tells add how many rows of a part of log records q selects, in
// groups: see storage.LogGrouper.
func CountGroups(r *Reader[telemetry.Log], q *record.Query[telemetry.Log], p Part, width int64, by []storage.LogText, add func(g storage.LogGroup, n int64)) error {
	mem := scratches.Get().(*scratch)
	defer mem.giveBack(&scratches)
	rows, err := r.readIn(q, p, mem)
	if err != nil || len(rows.sel) == 0 {
		return err
	}
	g := grouping{rows: rows, cols: rows.cols.(*logColumns), kinds: []storage.LogGroup{{}}}
	if err := g.texts(by); err != nil {
		return err
	}
	if rows.block.chunk(chunkSeverity) != nil {
		if err := rows.need(chunkSeverity); err != nil {
			return err
		}
		g.severity = g.cols.severity.All()
	}
	g.count(bins{from: q.From, width: width}, q.MinSeverity, add)
	return rows.healthy()
}

// grouping is the counting of a block. A row is of one of kinds: those differ
// in their texts.
type grouping struct {
	rows     *Rows[telemetry.Log]
	cols     *logColumns
	severity []int64 // of all rows of the block; nil for none
	kinds    []storage.LogGroup
	kindOf   []int // by place among the selected rows; nil where there is one kind
}

// texts tells the selected rows apart by their texts.
func (g *grouping) texts(by []storage.LogText) error {
	g.kinds[0].Texts = make([]string, len(by))
	for i, t := range by {
		ids, texts, err := g.text(t)
		if err != nil {
			return err
		}
		if len(texts) > 0 {
			g.split(i, ids, texts)
		}
	}
	return nil
}

// text numbers the different texts of the selected rows; no texts at all where
// every one is empty.
func (g *grouping) text(t storage.LogText) (ids []int, texts []string, err error) {
	w, sel := g.rows, g.rows.sel
	number := map[string]int{}
	last, at := "", -1
	note := func(text string) {
		if at < 0 || text != last {
			id, ok := number[text]
			if !ok {
				id, text = len(texts), strings.Clone(text) // the block's memory is used again
				number[text] = id
				texts = append(texts, text)
			}
			last, at = text, id
		}
		ids = append(ids, at)
	}
	fromAttrs := t.Key != nil && slices.ContainsFunc(w.block.keys, func(k int) bool { return t.Key(w.r.keys[k]) })
	if !fromAttrs && t.Field == storage.FieldNone {
		return nil, nil, nil
	}
	field, err := g.cols.field(t.Field, w)
	if err != nil {
		return nil, nil, err
	}
	ids = make([]int, 0, len(sel))
	if !fromAttrs {
		for _, row := range sel {
			note(field.At(row))
		}
		return ids, texts, nil
	}
	if err := w.need(chunkAttrs); err != nil {
		return nil, nil, err
	}
	keys := g.cols.attrs.Accepted(t.Key)
	if keys == nil { // unlike what the block index says
		return nil, nil, w.r.badChunk(w.block, chunkAttrs, fmt.Errorf("%w: an attribute of the block index is not in it", column.ErrCorrupt))
	}
	g.cols.attrs.Texts(sel, keys, field, note)
	return ids, texts, nil
}

// split makes of every kind one for each text that its rows have.
func (g *grouping) split(i int, ids []int, texts []string) {
	if g.kindOf == nil {
		g.kindOf = make([]int, len(ids))
	}
	type pair struct{ kind, text int }
	seen := map[pair]int{}
	old := g.kinds
	g.kinds = nil
	last, kind := pair{-1, -1}, 0
	for j, id := range ids {
		p := pair{g.kindOf[j], id}
		if p != last {
			k, ok := seen[p]
			if !ok {
				k = len(g.kinds)
				seen[p] = k
				made := slices.Clone(old[p.kind].Texts)
				made[i] = texts[id]
				g.kinds = append(g.kinds, storage.LogGroup{Texts: made})
			}
			last, kind = p, k
		}
		g.kindOf[j] = kind
	}
}

// numbered returns the severities of the selected rows, and the place of each
// among them.
func (g *grouping) numbered() (list []telemetry.Severity, place [256]int) {
	if g.severity == nil {
		return []telemetry.Severity{telemetry.SeverityUnset}, place
	}
	var seen [256]bool
	for _, row := range g.rows.sel {
		if s := uint8(g.severity[row]); !seen[s] {
			seen[s], place[s] = true, len(list)
			list = append(list, telemetry.Severity(s))
		}
	}
	return list, place
}

// count adds up the selected rows. Those of a stream stand together and in
// order of time, so few groups are open at once.
func (g *grouping) count(b bins, lowest telemetry.Severity, add func(storage.LogGroup, int64)) {
	w := g.rows
	severities, place := g.numbered()
	counts := make([]int64, len(g.kinds)*len(severities))
	var open []int
	last := int64(-1)
	flush := func() {
		for _, at := range open {
			out := g.kinds[at/len(severities)]
			out.Stream, out.Bin, out.Severity = w.r.streams[last].Stream, b.bin, severities[at%len(severities)]
			add(out, counts[at])
			counts[at] = 0
		}
		open = open[:0]
	}
	for i, row := range w.sel {
		at := 0
		if g.severity != nil {
			s := uint8(g.severity[row])
			if s > 0 && s < uint8(lowest) {
				continue
			}
			at = place[s]
		}
		if s, t := w.streams.At(row), w.times.At(row); s != last || !b.holds(t) {
			flush()
			last, b.bin = s, b.of(t)
		}
		if g.kindOf != nil {
			at += g.kindOf[i] * len(severities)
		}
		if counts[at] == 0 {
			open = append(open, at)
		}
		counts[at]++
	}
	flush()
}
