// Package telemetry is the record model that every room shares: resources,
// scopes, streams, log records and spans, as OpenTelemetry defines them, and
// the values their attributes hold.
//
// It owns the Go shape of the data and nothing that happens to it. Records are
// plain structs with their strings pointing into the bytes they were decoded
// from, so a decoded batch costs a few allocations, not a few per record.
// Records are immutable once they have been handed on: every room may keep
// and share them, none may change them.
//
// It may import the standard library and hash functions. telemetry/otlp holds
// the wire format.
package telemetry
