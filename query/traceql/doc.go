// Package traceql answers TraceQL: searches for traces, series computed from
// spans, and the names and values of attributes.
//
// It reads through storage.Reader only, in two phases. A scan over spans, with
// everything pushed down that the store can use (time, streams, duration, IDs),
// finds the traces that may match; then those are read whole and evaluated,
// newest first. A query that needs nothing but single spans is answered by the
// scan alone. What was left out for a limit is said in the answer's warnings.
//
// The grammar is in package syntax. This package may import storage,
// telemetry, correlation and syntax.
package traceql
