// Package jaeger answers the query API of Jaeger below /jaeger/api, as
// Grafana's Jaeger data source and Jaeger's own interface call it.
//
// It translates requests into searches of the TraceQL engine and spans into
// Jaeger's JSON. It may import query/traceql, storage, telemetry and
// internal/tenant.
package jaeger
