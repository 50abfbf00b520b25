package correlate

import "time"

// Answer is the whole story of an ID, as the API says it.
type Answer struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Partial   bool      `json:"partial"`
	Warnings  []string  `json:"warnings"`
	Range     Range     `json:"range"`
	IDs       []FoundID `json:"ids"`
	Services  []Service `json:"services"`
	Edges     []Edge    `json:"edges"`
	Traces    []Trace   `json:"traces"`
	Timeline  []Entry   `json:"timeline"`
	Truncated bool      `json:"truncated"`
	// CriticalPath is what the end of every trace waited for, Gaps when nothing
	// is known to have happened, ClockSkew whose clocks disagree, Missing what
	// should be here and is not, and Nearby what happened around the story
	// without carrying its IDs.
	CriticalPath []Step    `json:"critical_path"`
	Gaps         []Gap     `json:"gaps"`
	ClockSkew    []Skew    `json:"clock_skew"`
	Missing      []Missing `json:"missing"`
	Nearby       []Entry   `json:"nearby"`
}

// Range is the time the story takes.
type Range struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// FoundID is an ID of the story, and how it came into it.
type FoundID struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	Via  string `json:"via"`
}

// Service is who took part.
type Service struct {
	Name   string    `json:"name"`
	Spans  int       `json:"spans"`
	Logs   int       `json:"logs"`
	Errors int       `json:"errors"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
}

// Edge is who called whom.
type Edge struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	Calls    int    `json:"calls"`
	Errors   int    `json:"errors"`
	Evidence string `json:"evidence"` // spans or logs
}

// Trace is one trace of the story.
type Trace struct {
	TraceID     string    `json:"trace_id"`
	RootService string    `json:"root_service"`
	RootName    string    `json:"root_name"`
	Start       time.Time `json:"start"`
	DurationNS  int64     `json:"duration_ns"`
	Spans       int       `json:"spans"`
	Errors      int       `json:"errors"`
}

// The types of timeline entries.
const (
	TypeSpan     = "span"
	TypeLog      = "log"
	TypeExemplar = "exemplar"
	TypeEvent    = "event"
)

// Entry is one thing that happened.
type Entry struct {
	Time         time.Time `json:"time"`
	Type         string    `json:"type"`
	Service      string    `json:"service"`
	Severity     string    `json:"severity"`
	Text         string    `json:"text"`
	TraceID      string    `json:"trace_id"`
	SpanID       string    `json:"span_id"`
	ParentSpanID string    `json:"parent_span_id"`
	DurationNS   int64     `json:"duration_ns"`
	// ClockOffsetNS is how far the clock that took the time is ahead of that of
	// the first caller, where that is known.
	ClockOffsetNS int64          `json:"clock_offset_ns,omitempty"`
	Status        string         `json:"status"`
	Attributes    map[string]any `json:"attributes"`
	Resource      map[string]any `json:"resource"`
}
