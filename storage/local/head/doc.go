// Package head keeps the records that are acknowledged and not yet in a
// segment, queryable at once.
//
// A Head holds the records of one tenant and signal as runs: the requests as
// they came, and beside them the time, the stream and the hashes of the
// correlation IDs of every record, sorted by time. Records are decoded when
// they are read or flushed. Small runs are merged into bigger ones as they
// come. A run never changes, so a Snapshot is a copy of the list, and a reader
// needs no lock while it reads.
//
// It may import storage/local/record and telemetry/otlp.
package head
