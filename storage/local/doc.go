// Package local is the embedded engine: a storage.Store in one directory of
// this machine.
//
// A batch goes one way: deduplicate, write ahead, wait for the fsync, put into
// the head, acknowledge. From time to time the heads are sorted into segments,
// the manifest puts those in the place of a part of the write-ahead log, and
// that part is released. Small segments are merged, old days are dropped. A
// start replays what the manifest says is not in segments yet.
//
// The stages are packages of their own: wal, dedup, head, segment, manifest,
// compact; this package is what ties them together. What holds at any moment:
//
//   - a record is in exactly one of: the active head, one frozen head, one
//     live segment; mu guards that set, and every move is one step under it;
//   - everything in the active head stands in the write-ahead log at or behind
//     the position that the newest frozen head covers, everything in a frozen
//     head before the position it covers;
//   - a file is removed only when a durable manifest doesn't name it and no
//     reader holds it.
//
// It may import storage, telemetry, correlation and internal helpers. All
// files, time and randomness come in through Deps.
package local
