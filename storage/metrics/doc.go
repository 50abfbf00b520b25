// Package metrics keeps metrics in an embedded Prometheus TSDB per tenant. It
// implements storage.Metrics.
//
// It owns the folder of the metrics: one folder per tenant, each a TSDB that
// Prometheus's own tools can read, with a metadata.log of ours beside it.
//
// What it adds to the TSDB is that an acknowledgement can be relied on. The
// TSDB's write-ahead logs go to the file on every commit (wlog.WL.Log writes
// its page out before it returns), but are fsynced only when a segment ends.
// Here a commit returns only after an fsync that began later than its last
// write; concurrent commits share one (see groupSync). Once a write-ahead log
// has failed, nothing more is acknowledged until the TSDB was opened again,
// because a torn record hides everything behind it from the next replay. And as
// the TSDB panics where it cannot write a chunk, it does nothing in the
// background by itself, and does not write at all on a disk without room.
//
// It may import storage, internal/tenant and Prometheus's packages.
package metrics
