// Package calls is what spans say of calls: who called whom, with what outcome,
// and which spans lack their other half.
//
// A span becomes a row (row.go; what stands behind a call that nobody answered
// for is read from its attributes, classify.go and peer.go). The rows of a trace
// are paired (pair.go), and what they tell is added up (totals.go) into counts
// and sketches of durations that can be merged (sketch.go).
//
// A call is a span whose parent belongs to another service. A client span
// without such a child called something that sends no spans: a database, a
// queue, an outside host. Messages go over their queue: producer to queue,
// queue to consumer. A server span without a parent was called by a user.
// Wrappers (a client span around a client span of the same service) count once.
//
// It does no input or output and imports telemetry alone, so that a store can
// add calls up when it writes, and a query where the store does not.
package calls
