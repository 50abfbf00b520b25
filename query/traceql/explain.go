package traceql

import (
	"fmt"
	"time"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
)

// Explain tells how a query was answered.
type Explain struct {
	Query  string      `json:"query"` // as it was understood
	Plans  []PlanInfo  `json:"plans"` // one for each pipeline
	Stages []StageInfo `json:"stages"`
}

// PlanInfo is what one pipeline asked of the store.
type PlanInfo struct {
	// Condition is what a span must meet for its trace to be looked at.
	Condition string `json:"condition"`
	// WholeTraces is set where traces are read whole after the scan; without
	// it the scan is the answer.
	WholeTraces bool `json:"whole_traces"`
	// PushedDown lists what the store itself filters by.
	PushedDown []string `json:"pushed_down"`
	// Slices is in how many slices of time a metrics query was cut whose
	// results are kept, KnownSlices how many were known from earlier queries.
	Slices      int `json:"slices,omitempty"`
	KnownSlices int `json:"known_slices,omitempty"`
}

// StageInfo is what one kind of read took, all of its reads together.
type StageInfo struct {
	Name            string `json:"name"`
	Reads           int    `json:"reads"`
	Nanoseconds     int64  `json:"duration_ns"`
	Spans           int64  `json:"spans"`
	Rows            int64  `json:"rows"`
	Bytes           int64  `json:"bytes"`
	Segments        int64  `json:"segments"`
	SegmentsSkipped int64  `json:"segments_skipped"`
	Blocks          int64  `json:"blocks"`
	BlocksSkipped   int64  `json:"blocks_skipped"`
}

// note adds a read to its stage.
func (r *run) note(stage string, took time.Duration, spans int64, read *storage.ReadStats) {
	var s *StageInfo
	for i := range r.stages {
		if r.stages[i].Name == stage {
			s = &r.stages[i]
		}
	}
	if s == nil {
		r.stages = append(r.stages, StageInfo{Name: stage})
		s = &r.stages[len(r.stages)-1]
	}
	s.Reads++
	s.Nanoseconds += int64(took)
	s.Spans += spans
	s.Rows += read.Rows
	s.Bytes += read.Bytes
	s.Segments += read.Segments
	s.SegmentsSkipped += read.SegmentsSkipped
	s.Blocks += read.Blocks
	s.BlocksSkipped += read.BlocksSkipped
}

func (r *run) explain(q *syntax.Query) Explain {
	return Explain{Query: q.String(), Plans: r.plans, Stages: r.stages}
}

func (p *plan) info(whole bool) PlanInfo {
	out := PlanInfo{Condition: syntax.Source(p.need), WholeTraces: whole, PushedDown: []string{"time range"}}
	add := func(format string, args ...any) {
		out.PushedDown = append(out.PushedDown, fmt.Sprintf(format, args...))
	}
	if p.stream != nil {
		add("streams by resource and instrumentation scope")
	}
	for _, id := range p.traceIDs {
		add("trace ID %s", id)
	}
	for _, id := range p.ids {
		add("ID %s", id)
	}
	if p.minDuration > 0 {
		add("duration of at least %s", p.minDuration)
	}
	if p.like.Name != "" {
		add("name %q", p.like.Name)
	}
	if p.like.Kind != 0 {
		add("kind %s", syntax.Kind(uint8(p.like.Kind)).Text())
	}
	if p.like.Status != 0 {
		add("status %s", syntax.Status(uint8(p.like.Status)).Text())
	}
	for _, t := range p.like.Attrs {
		add("attribute %s = %q", t.Key, t.Texts)
	}
	return out
}
