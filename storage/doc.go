// Package storage is what a store is: the contracts between the rooms that
// write (collector), the rooms that read (query, alert) and the backends that
// keep the data (storage/local, storage/elastic, storage/metrics). It holds no
// implementation. storage/storagetest is the suite that every backend passes.
//
// It may import telemetry, correlation and, for metrics, Prometheus's own
// storage interfaces.
package storage
