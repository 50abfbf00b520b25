// Package ship compares what it takes to bring the same logs and spans into the
// same Elasticsearch: with clew, and with an OpenTelemetry Collector and its
// Elasticsearch exporter. It works out, for each of them, the CPU time of the
// program and of Elasticsearch, and the bytes that a record takes there.
//
// configs/ holds the configuration that each of them gets. It may import
// loadtest/workload, send, serve and proc; nothing of clew, whose judge it is.
package ship
