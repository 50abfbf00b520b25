// Package servicemap tells who calls whom, computed from the stored spans of a
// time range: exact, whatever the order, lateness or batching in which they
// came.
//
// Spans are read once into compact rows (rows.go), paired trace by trace
// (pair.go), and added up into nodes and edges (build.go); what stands behind
// a call that nobody answered for is read from its attributes (peer.go).
//
// A call is a span whose parent belongs to another service. A client span
// without such a child called something that sends no spans: a database, a
// queue, an outside host. Messages go over their queue: producer to queue,
// queue to consumer. A server span without a parent was called by a user.
// Wrappers (a client span around a client span of the same service) count once.
//
// It imports package storage's interfaces and telemetry.
package servicemap
