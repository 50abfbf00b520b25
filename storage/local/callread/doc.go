// Package callread adds up what the spans of many segments and of the heads tell
// of calls.
//
// Every segment has sums of its own, made of its spans alone. They are right for
// the traces that have spans nowhere else; which others there are is known from
// the segments' lists of traces. Those are told twice: by their spans of one
// segment, which is taken out of its sums, and by all their spans together, which
// is put in. Spans that no sums tell of, those in the heads first of all, always
// count among the latter. Where a range begins or ends within a step of the
// sums, the traces with spans in that part of it are told from their spans. So
// the outcome is what all spans together tell, to the last call.
//
// It imports segment, callsum and telemetry/calls.
package callread
