// Package head keeps the records that are acknowledged and not yet in a
// segment, queryable at once.
//
// A Head holds the records of one tenant and signal as runs: slices sorted by
// time, each with the hashes of its correlation IDs. Small runs are merged
// into bigger ones as they come. A run never changes, so a Snapshot is a copy
// of the list, and a reader needs no lock while it reads.
//
// It may import storage/local/record.
package head
