// Package callsum is what a segment of spans keeps of their calls, so that a map
// of a day need not read its spans: the calls added up by the minute and by the
// hour, as package telemetry/calls tells them, and a list of the traces that
// went into the sums, so that a reader finds those that other segments have
// spans of, too: their part in the sums has to be told anew with all their
// spans.
//
// It makes bytes of spans (builder.go, encode.go) and reads them again
// (read.go). It does no input or output. docs/format/segment.md describes the
// bytes. It imports telemetry/calls and the columns' cursor.
package callsum
