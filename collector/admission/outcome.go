package admission

import (
	"fmt"
	"sort"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// Reasons for which a record is rejected alone: labels of
// clew_collector_rejected_records_total.
const (
	TooFarInFuture    = "too_far_in_future"
	TooOld            = "too_old"
	MissingTime       = "missing_time"
	InvalidTraceID    = "invalid_trace_id"
	InvalidSpanID     = "invalid_span_id"
	TooManyAttributes = "too_many_attributes"
	RecordTooLarge    = "record_too_large"
	InvalidLabels     = "invalid_labels"
	InvalidRecord     = "invalid_record"
	OutOfOrder        = "out_of_order"
	DuplicateSample   = "duplicate_timestamp"
	DeltaTemporality  = "delta_temporality"
)

// Outcome tells what became of the records of a request. The zero Outcome
// means that all of them are stored.
type Outcome struct {
	Rejected  int
	Duplicate bool // the request was stored before
	// Items are the records that were rejected, where the protocol's answer
	// needs to say which, in their order in the request.
	Items    []Item
	reasons  map[string]*reasonCount
	warnings []string
}

// Item is one rejected record.
type Item struct {
	Index          int
	Reason, Detail string
}

type reasonCount struct {
	n     int
	first string // what was wrong with the first one
}

// Reject counts n records rejected for reason; detail says it of the first.
func (o *Outcome) Reject(reason, detail string, n int) {
	o.Rejected += n
	if o.reasons == nil {
		o.reasons = make(map[string]*reasonCount)
	}
	if c := o.reasons[reason]; c != nil {
		c.n += n
		return
	}
	o.reasons[reason] = &reasonCount{n: n, first: clean(detail)}
}

// rejectItem counts record i as rejected; see Reject.
func (o *Outcome) rejectItem(i int, what string, v verdict) {
	o.Items = append(o.Items, Item{Index: i, Reason: v.reason, Detail: v.detail})
	o.Reject(v.reason, fmt.Sprintf("%s %d: %s", what, i, v.detail), 1)
}

// maxDetail is how long one sentence of an answer may get.
const maxDetail = 512

// clean makes a sentence that may quote a sender's bytes fit for an answer:
// short, and valid UTF-8, which protobuf and JSON insist on.
func clean(s string) string {
	if len(s) > maxDetail {
		s = s[:maxDetail] + "..."
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// maxWarnings keeps the answer to a large bad request small.
const maxWarnings = 5

// Warn adds a sentence about records that were kept.
func (o *Outcome) Warn(text string) {
	if len(o.warnings) < maxWarnings {
		o.warnings = append(o.warnings, clean(text))
	}
}

// Message says what was rejected and why, in one line, "" where all is well.
func (o *Outcome) Message() string {
	parts := make([]string, 0, len(o.reasons)+len(o.warnings))
	for reason, c := range o.reasons {
		parts = append(parts, fmt.Sprintf("%d rejected as %s: %s", c.n, reason, c.first))
	}
	sort.Strings(parts)
	return strings.Join(append(parts, o.warnings...), "; ")
}

// Reasons returns how many records were rejected for each reason.
func (o *Outcome) Reasons() map[string]int {
	out := make(map[string]int, len(o.reasons))
	for reason, c := range o.reasons {
		out[reason] = c.n
	}
	return out
}

// count adds what was rejected to the metrics.
func (g *Gate) count(signal telemetry.Signal, o *Outcome) {
	for reason, c := range o.reasons {
		g.Rejected(signal, reason, c.n)
	}
	if o.Duplicate {
		g.metrics.duplicate.WithLabelValues(string(signal)).Inc()
	}
}
