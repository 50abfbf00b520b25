// Package zipkin answers the reading half of Zipkin's API below
// /zipkin/api/v2, as Zipkin's own interface and Grafana's data source call it.
//
// It translates requests into searches of the TraceQL engine and spans into
// Zipkin's JSON. It may import query/traceql, storage, telemetry and
// internal/tenant.
package zipkin
