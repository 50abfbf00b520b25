package loki

import (
	"slices"
	"strings"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/pipeline"
)

// streamRows are the rows of an answer that share a stream object.
type streamRows struct {
	key    string
	labels []pipeline.Label
	rows   []logql.Row
}

// groupRows puts rows together by their stream labels, or by all their labels
// where the client does not tell them apart. Streams come in the order of
// their labels, rows as they came.
func groupRows(rows []logql.Row, categorize bool) []*streamRows {
	index := map[string]*streamRows{}
	var out []*streamRows
	var key []byte
	for i := range rows {
		key = key[:0]
		for _, l := range rows[i].Labels {
			if !categorize || l.Category == pipeline.FromStream {
				key = append(append(key, l.Name...), 0xff)
				key = append(append(key, l.Value...), 0xff)
			}
		}
		s, ok := index[string(key)]
		if !ok {
			s = &streamRows{key: string(key), labels: rows[i].Labels}
			if categorize {
				s.labels = ofCategory(s.labels, pipeline.FromStream)
			}
			index[s.key] = s
			out = append(out, s)
		}
		s.rows = append(s.rows, rows[i])
	}
	slices.SortFunc(out, func(a, b *streamRows) int { return strings.Compare(a.key, b.key) })
	return out
}

func ofCategory(labels []pipeline.Label, c pipeline.Category) (out []pipeline.Label) {
	for _, l := range labels {
		if l.Category == c {
			out = append(out, l)
		}
	}
	return out
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
