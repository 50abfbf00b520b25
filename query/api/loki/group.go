package loki

import (
	"bytes"
	"slices"

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
	buf := buffers.Get().(*[]byte)
	g := grouper{categorize: categorize, keys: (*buf)[:0], byHash: make(map[uint64]int, len(rows))}
	defer func() { keepBuffer(buf, g.keys) }()
	of := make([]int, len(rows)) // the stream of each row
	for i := range rows {
		of[i] = g.stream(rows[i].Labels)
	}
	order := make([]int, len(g.streams))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(g.key(a), g.key(b)) })
	// All rows stand in one list, each stream's together.
	out, place, all := make([]streamRows, len(order)), make([]int, len(order)), make([]logql.Row, len(rows))
	for at, i := range order {
		s := g.streams[i]
		out[at].labels, out[at].rows, all = s.labels, all[:0:s.rows], all[s.rows:]
		place[i] = at
	}
	for i := range rows {
		s := &out[place[of[i]]]
		s.rows = append(s.rows, rows[i])
	}
	return out
}

// grouper numbers the streams of an answer.
type grouper struct {
	categorize bool
	streams    []groupedStream
	byHash     map[uint64]int // a hash of a key to the stream
	keys       []byte         // of all streams
	labels     []pipeline.Label
}

// groupedStream is a stream, how many rows are its, and where its key ends.
type groupedStream struct {
	labels []pipeline.Label
	rows   int
	end    int
}

// key is what a stream is told from others and sorted by.
func (g *grouper) key(i int) []byte {
	from := 0
	if i > 0 {
		from = g.streams[i-1].end
	}
	return g.keys[from:g.streams[i].end]
}

// stream returns the number of the stream that a row with these labels is of.
func (g *grouper) stream(labels []pipeline.Label) int {
	if g.categorize {
		g.labels = appendCategory(g.labels[:0], labels, pipeline.FromStream)
		labels = g.labels
	}
	start := len(g.keys)
	for i := range labels {
		g.keys = append(append(g.keys, labels[i].Name...), 0xff)
		g.keys = append(append(g.keys, labels[i].Value...), 0xff)
	}
	key := g.keys[start:]
	// Streams of one hash and different labels stand under the hashes behind it.
	for h := xxh3.Hash(key); ; h++ {
		i, known := g.byHash[h]
		if known && !bytes.Equal(key, g.key(i)) {
			continue
		}
		if known {
			g.keys = g.keys[:start]
			g.streams[i].rows++
			return i
		}
		i = len(g.streams)
		g.byHash[h] = i
		if g.categorize {
			labels = slices.Clone(labels)
		}
		g.streams = append(g.streams, groupedStream{labels: labels, rows: 1, end: len(g.keys)})
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
