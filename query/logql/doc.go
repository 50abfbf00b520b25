// Package logql answers LogQL queries from a store.
//
// It owns the engine: how a parsed and planned query is read, its lines
// collected, its ranges and vectors aggregated, and where it stops. Every
// limit is in Config and named in the message of the error it causes. The
// language itself is in syntax, what stages do to a record in pipeline, what
// the store is asked for in plan, and how a record looks to Loki's users in
// entry.
//
// It may import storage, correlation, telemetry and its own subpackages.
package logql
