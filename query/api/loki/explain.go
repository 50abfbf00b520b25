package loki

import (
	"time"

	"github.com/clewhq/clew/query/logql"
)

// explanation is what explain=1 adds to an answer.
type explanation struct {
	Plan    []string `json:"plan"`
	Read    readCost `json:"read"`
	Stages  []stage  `json:"stages"`
	Seconds float64  `json:"seconds"`
	Whole   bool     `json:"whole"`
}

// readCost is what was read of the store.
type readCost struct {
	Segments        int64 `json:"segments"`
	SegmentsSkipped int64 `json:"segments_skipped"`
	Blocks          int64 `json:"blocks"`
	BlocksSkipped   int64 `json:"blocks_skipped"`
	Rows            int64 `json:"rows"`
	Bytes           int64 `json:"bytes"`
	Records         int64 `json:"records_processed"`
	LineBytes       int64 `json:"line_bytes"`
	Slices          int   `json:"cache_slices"`
	CachedSlices    int   `json:"cache_hits"`
}

// stage is a part of the work and how long it took. Where slices of the time
// are read at once their times are added up.
type stage struct {
	Name    string  `json:"stage"`
	Seconds float64 `json:"seconds"`
}

func explainOf(res *logql.Result, parse time.Duration) explanation {
	s := res.Stats
	known := s.Plan + s.Read + s.Process
	return explanation{
		Plan: res.Plan,
		Read: readCost{
			Segments: s.Store.Segments, SegmentsSkipped: s.Store.SegmentsSkipped, Blocks: s.Store.Blocks, BlocksSkipped: s.Store.BlocksSkipped,
			Rows: s.Store.Rows, Bytes: s.Store.Bytes, Records: s.Lines, LineBytes: s.Bytes, Slices: s.Slices, CachedSlices: s.CachedSlices,
		},
		Stages: []stage{
			{"parse", parse.Seconds()}, {"plan", s.Plan.Seconds()}, {"read", s.Read.Seconds()}, {"process", s.Process.Seconds()},
			{"combine", max(0, s.Elapsed-known).Seconds()},
		},
		Seconds: (parse + s.Elapsed).Seconds(),
		Whole:   len(res.Warnings) == 0,
	}
}
