// Package elastic keeps logs and spans in Elasticsearch: a storage.Store over
// data streams, one for each signal and tenant.
//
// A batch is acknowledged once this machine's write-ahead log has it (or,
// where configured so, once Elasticsearch has). The drain reads the log in its
// order, writes documents with the bulk API and lets go of the log what is
// indexed; it waits as long as Elasticsearch is away. Where only the index of one
// tenant and signal takes nothing, its requests go to a log of their own, parked.
// What holds at any moment:
//
//   - a record is in Elasticsearch, or behind the drained position in the
//     write-ahead log, or parked, or in several of these;
//   - a document's ID is made of its request's hash and its place in it, so
//     writing it again changes nothing. A data stream looks for an ID in its
//     newest index only: what may have been written before a rollover is
//     looked for first, and reads drop doubles, which stand side by side in
//     their order;
//   - what Elasticsearch refuses for good is in the dead letters.
//
// A read waits until what was acknowledged before it is indexed, and refreshes
// what was written since the last refresh; so it sees all of it. What it
// cannot wait for it names in a warning.
//
// The way through it, as data go:
//
//   - store.go opens and closes. schema.go prepares the cluster, with what
//     names.go calls things there; maintain.go rolls over and drops what is old.
//   - write.go takes a request, queue.go keeps it in the write-ahead log, drain.go
//     reads it there, item.go makes documents of it, streams.go one of what many
//     share, and bulk.go brings them to Elasticsearch. parking.go has what an index
//     does not take.
//   - fresh.go shows to searches what was written, read.go fetches records in
//     pages, info.go tells which streams there are. loggroups.go and spangroups.go
//     are questions that Elasticsearch counts, as buckets.go asks it to; calls.go
//     adds up what spans tell of calls, by the hour.
//   - deletion.go keeps requests to delete, erase.go carries them out, and
//     collectors.go waits for what stands in other processes' logs.
//
// cluster/ calls Elasticsearch, parked/ is the log of requests that are parked,
// document/ is the shape of its documents, search/ that of its questions,
// callsums/ what an hour tells of calls, callkeep/ keeps that, and realtest/ runs
// all of it on a real one.
//
// It may import storage, telemetry, correlation and internal helpers; of
// storage/local it shares the stages wal and dedup.
package elastic
