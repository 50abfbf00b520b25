// Package remote keeps metrics in a store that speaks Prometheus's protocols:
// Prometheus itself, Mimir, Thanos, VictoriaMetrics. It implements
// storage.Metrics over remote write, remote read and the HTTP API.
//
// A commit is acknowledged when its samples are in a write-ahead log of this
// process, and the log is carried to the store in its order, for as long as it
// takes: the store may be away for hours. What the store refuses is taken
// apart until the samples that it refuses stand alone; these are counted, the
// others are kept. A batch that may have arrived already is sent again, which
// changes nothing: a sample has one value at one time.
//
// Reads wait a moment for what this process has acknowledged. Calls go through
// a timeout, retries with jitter and a circuit breaker.
//
// Tenants are told apart by a header, where the store knows tenants, or by a
// label that callers neither see nor reach.
//
// It may import package storage, the write-ahead log of storage/local, and
// Prometheus's own clients.
package remote
