package servicemap

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

// What an edge is known from.
const (
	EvidenceSpans = "spans"
	EvidenceLogs  = "logs"
)

// The states of a node.
const (
	HealthOK       = "ok"
	HealthDegraded = "degraded"
	HealthDown     = "down"
	HealthUnknown  = "unknown"
)

// Dependency is how often one service called another one.
type Dependency struct {
	Parent    string
	Child     string
	CallCount uint64
}
