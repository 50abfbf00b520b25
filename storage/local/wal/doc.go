// Package wal is what makes an acknowledgement durable: requests as they came,
// appended to files in the format of internal/framing and fsynced in groups.
//
// One committer goroutine owns the files. It takes what is waiting, writes it
// with one call, syncs once, and calls every record's callback, in the order
// of the file. So a callback may hand the record to the head, and the head's
// order is the log's. Invariants:
//
//   - a callback gets nil only after the record, its file and its directory
//     entry are synced;
//   - after a failed write or sync the file is never written or synced again:
//     its records from that group on fail, and the next file's header says how
//     much of it counts, so that a failed record does not come back;
//   - a new file's header is durable before anything in it is acknowledged.
//
// docs/format/wal.md describes the files. It may import internal/framing.
package wal
