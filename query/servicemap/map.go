package servicemap

import "github.com/clewhq/clew/query/servicemap/health"

// Map is who calls whom, as the API says it.
type Map struct {
	Nodes    []Node   `json:"nodes"`
	Edges    []Edge   `json:"edges"`
	Partial  bool     `json:"partial"`
	Warnings []string `json:"warnings,omitempty"`
	// Unpaired tells why edges may be missing.
	Unpaired []Unpaired `json:"unpaired,omitempty"`
}

// Node is a service, or what services call. Calls are those it got.
type Node struct {
	ID     string  `json:"id"`
	Type   string  `json:"type"`
	Calls  int     `json:"calls"`
	Errors int     `json:"errors"`
	P50    float64 `json:"p50_ms"`
	P95    float64 `json:"p95_ms"`
	P99    float64 `json:"p99_ms"`
	Health string  `json:"health"`
	// Evidence is the best that the node is known from: spans, logs, metrics.
	Evidence string `json:"evidence"`
	// Reasons say why it is not well, the worst first, and what was wrong
	// within the range and is over.
	Reasons []health.Reason `json:"reasons,omitempty"`
	// Dependencies are what its own health check says of what it needs.
	Dependencies []health.Dependency `json:"dependencies,omitempty"`
	// EstimatedCalls is how many calls there were where the spans say that they
	// were sampled; Calls is how many of them are stored.
	EstimatedCalls float64 `json:"estimated_calls,omitempty"`
	// Before is what it was in the range that the map is compared with, nil
	// where it was not there.
	Before *Figures `json:"before,omitempty"`
	// Change is added, removed, or empty for what is in both ranges.
	Change string `json:"change,omitempty"`
}

// Edge is the calls from one node to another one by one protocol.
type Edge struct {
	Source         string   `json:"source"`
	Target         string   `json:"target"`
	Protocol       string   `json:"protocol"`
	Calls          int      `json:"calls"`
	Errors         int      `json:"errors"`
	P50            float64  `json:"p50_ms"`
	P95            float64  `json:"p95_ms"`
	P99            float64  `json:"p99_ms"`
	Evidence       string   `json:"evidence"`
	SampleTraceIDs []string `json:"sample_trace_ids"`
	// Health is how the calls are, and Reasons what their source says of their
	// target.
	Health  string          `json:"health"`
	Reasons []health.Reason `json:"reasons,omitempty"`
	// EstimatedCalls, Before and Change: see Node.
	EstimatedCalls float64  `json:"estimated_calls,omitempty"`
	Before         *Figures `json:"before,omitempty"`
	Change         string   `json:"change,omitempty"`
}

// Figures are what a node or an edge was in another range.
type Figures struct {
	Calls  int     `json:"calls"`
	Errors int     `json:"errors"`
	P50    float64 `json:"p50_ms"`
	P95    float64 `json:"p95_ms"`
	P99    float64 `json:"p99_ms"`
}

// The changes from one range to another.
const (
	ChangeAdded   = "added"
	ChangeRemoved = "removed"
)

// Unpaired is spans of a service that lack their other half.
type Unpaired struct {
	Service        string   `json:"service"`
	Reason         string   `json:"reason"`
	Target         string   `json:"target,omitempty"` // who should have answered
	Spans          int      `json:"spans"`
	SampleTraceIDs []string `json:"sample_trace_ids"`
}

// Why a span lacks its other half.
const (
	// ReasonParent: the span's parent is in nothing that is stored.
	ReasonParent = "parent_not_received"
	// ReasonServer: a service that sends spans was called and sent none.
	ReasonServer = "server_span_not_received"
	// ReasonPeer: a call was made, and nothing says to whom.
	ReasonPeer = "peer_unknown"
)

// What a node or an edge is known from.
const (
	EvidenceSpans   = "spans"
	EvidenceLogs    = "logs"
	EvidenceMetrics = "metrics"
)

// The states of a node.
const (
	HealthOK       = health.OK
	HealthDegraded = health.Degraded
	HealthDown     = health.Down
	HealthUnknown  = health.Unknown
)

// Dependency is how often one service called another one.
type Dependency struct {
	Parent    string
	Child     string
	CallCount uint64
}
