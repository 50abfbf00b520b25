package health

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// The states of a node.
const (
	OK       = "ok"
	Degraded = "degraded"
	Down     = "down"
	Unknown  = "unknown"
)

// The kinds of reasons.
const (
	KindErrors     = "errors"
	KindLatency    = "latency"
	KindAlert      = "alert"
	KindRestarts   = "restarts"
	KindEvent      = "event"
	KindCheck      = "check"
	KindDependency = "dependency"
)

// Reason is one thing that makes a node unwell.
type Reason struct {
	Kind string `json:"kind"`
	// Health is what the reason makes of the node: degraded, down, or ok where
	// it held within the range and does no more.
	Health string `json:"health"`
	Text   string `json:"text"`
	// Since is when it began, as far as the range tells, and Until when it
	// ended, nil where it holds at the end of the range.
	Since *time.Time `json:"since,omitempty"`
	Until *time.Time `json:"until,omitempty"`
	// Link is the path on this server whose answer shows it, and TraceID one
	// of the requests that suffered.
	Link    string `json:"link,omitempty"`
	TraceID string `json:"trace_id,omitempty"`
}

// Dependency is what a service's own health check says of what it needs.
type Dependency struct {
	Name   string `json:"name"`
	Health string `json:"health"`
	// Target is the node that it is, "" where none could be told.
	Target string     `json:"target,omitempty"`
	Since  *time.Time `json:"since,omitempty"`
}

// rank orders states from the best.
func rank(state string) int {
	return slices.Index([]string{Unknown, OK, Degraded, Down}, state)
}

// Worse returns the worse of two states.
func Worse(a, b string) string {
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// Sort orders reasons: the worst first, then the newest.
func Sort(list []Reason) {
	slices.SortStableFunc(list, func(a, b Reason) int {
		return cmp.Or(rank(b.Health)-rank(a.Health), -compareTimes(a.Since, b.Since), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Text, b.Text))
	})
}

func compareTimes(a, b *time.Time) int {
	if a == nil || b == nil {
		return 0
	}
	return a.Compare(*b)
}

// At returns nanoseconds since the epoch as reasons carry times, nil for zero.
func At(ns int64) *time.Time {
	if ns == 0 {
		return nil
	}
	t := time.Unix(0, ns).UTC()
	return &t
}

// reasonOf makes the reason that a stretch of trouble is.
func reasonOf(kind, state, text string, s stretch) Reason {
	r := Reason{Kind: kind, Health: state, Text: text, Since: At(s.since), Until: At(s.until)}
	if s.until != 0 {
		r.Health = OK
	}
	return r
}
