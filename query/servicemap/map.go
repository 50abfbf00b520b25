package servicemap

// Map is who calls whom, as the API says it.
type Map struct {
	Nodes    []Node   `json:"nodes"`
	Edges    []Edge   `json:"edges"`
	Partial  bool     `json:"partial"`
	Warnings []string `json:"warnings,omitempty"`
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
}

// EvidenceSpans says that an edge is known from spans.
const EvidenceSpans = "spans"

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
