// Package servicemap tells who calls whom, computed from the stored spans of a
// time range: exact, whatever the order, lateness or batching in which they
// came.
//
// What spans tell of calls is package telemetry/calls; it is added up by the
// store where that can (storage.CallReader), else here from the spans (read.go).
// The sums become nodes and edges (build.go), with the calls that only logs
// tell of (logs.go).
//
// It imports package storage's interfaces and telemetry.
package servicemap
