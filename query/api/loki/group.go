package loki

import (
	"cmp"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/pipeline"
)

// streamRows are the rows of an answer that share a stream object.
type streamRows struct {
	labels []pipeline.Label
	rows   []logql.Row
}

// groupRows puts rows together by their stream labels, or by all their labels
// where the client does not tell them apart. Streams come in the order of
// their labels, rows as they came.
func groupRows(rows []logql.Row, categorize bool) []streamRows {
	g := grouper{categorize: categorize, byHash: make(map[uint64]int, len(rows))}
	of := make([]int, len(rows)) // the stream of each row
	for i := range rows {
		of[i] = g.stream(rows[i].Labels)
	}
	// All rows stand in one list, each stream's together.
	all := make([]logql.Row, len(rows))
	for i := range g.streams {
		n := g.counts[i]
		g.streams[i].rows, all = all[:0:n], all[n:]
	}
	for i := range rows {
		s := &g.streams[of[i]]
		s.rows = append(s.rows, rows[i])
	}
	slices.SortFunc(g.streams, func(a, b streamRows) int { return slices.CompareFunc(a.labels, b.labels, compareFields) })
	return g.streams
}

func compareFields(a, b pipeline.Label) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
}

// grouper numbers the streams of an answer.
type grouper struct {
	categorize bool
	streams    []streamRows
	counts     []int          // rows by stream
	byHash     map[uint64]int // a hash of labels to the first stream that has it
	// What a row's labels are put together in.
	labels []pipeline.Label
	buf    []byte
}

// stream returns the number of the stream that a row with these labels is of.
func (g *grouper) stream(labels []pipeline.Label) int {
	if g.categorize {
		g.labels = appendCategory(g.labels[:0], labels, pipeline.FromStream)
		labels = g.labels
	}
	g.buf = g.buf[:0]
	for i := range labels {
		g.buf = append(append(g.buf, labels[i].Name...), 0xff)
		g.buf = append(append(g.buf, labels[i].Value...), 0xff)
	}
	// Streams of one hash and different labels stand under the hashes behind it.
	for h := xxh3.Hash(g.buf); ; h++ {
		i, ok := g.byHash[h]
		if !ok {
			i = len(g.streams)
			g.byHash[h] = i
			if g.categorize {
				labels = slices.Clone(labels)
			}
			g.streams, g.counts = append(g.streams, streamRows{labels: labels}), append(g.counts, 0)
		} else if !slices.EqualFunc(labels, g.streams[i].labels, func(a, b pipeline.Label) bool { return compareFields(a, b) == 0 }) {
			continue
		}
		g.counts[i]++
		return i
	}
}

func appendCategory(dst, labels []pipeline.Label, c pipeline.Category) []pipeline.Label {
	for _, l := range labels {
		if l.Category == c {
			dst = append(dst, l)
		}
	}
	return dst
}

// statsOf renders what a query cost under Loki's names.
func statsOf(s logql.Stats) map[string]any {
	seconds := s.Elapsed.Seconds()
	perSecond := func(n int64) int64 {
		if seconds <= 0 {
			return 0
		}
		return int64(float64(n) / seconds)
	}
	store := map[string]any{
		"totalChunksRef": s.Store.Blocks + s.Store.BlocksSkipped, "totalChunksDownloaded": s.Store.Blocks,
		"chunksDownloadTime": 0,
		"chunk": map[string]any{
			"headChunkBytes": 0, "headChunkLines": 0, "decompressedBytes": s.Bytes, "decompressedLines": s.Lines,
			"compressedBytes": s.Store.Bytes, "totalDuplicates": 0,
		},
	}
	return map[string]any{
		"summary": map[string]any{
			"bytesProcessedPerSecond": perSecond(s.Bytes), "linesProcessedPerSecond": perSecond(s.Lines),
			"totalBytesProcessed": s.Bytes, "totalLinesProcessed": s.Lines, "execTime": seconds, "queueTime": 0,
			"subqueries": 0, "totalEntriesReturned": s.Returned, "splits": 0, "shards": 0,
		},
		"querier":  map[string]any{"store": store},
		"ingester": map[string]any{"totalReached": 0, "totalChunksMatched": 0, "totalBatches": 0, "totalLinesSent": 0, "store": emptyStore},
	}
}

var emptyStore = map[string]any{
	"totalChunksRef": 0, "totalChunksDownloaded": 0, "chunksDownloadTime": 0,
	"chunk": map[string]any{
		"headChunkBytes": 0, "headChunkLines": 0, "decompressedBytes": 0, "decompressedLines": 0, "compressedBytes": 0, "totalDuplicates": 0,
	},
}
