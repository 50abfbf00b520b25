// Package loki serves Loki's HTTP API over the LogQL engine, so that Grafana's
// Loki data source, Logs Drilldown and logcli work as they are.
//
// It owns the protocol: parameters and their defaults, the shapes of answers
// and errors, the tail over WebSocket. What a query means is query/logql's.
// Pushing belongs to the collector and is not served here. Authentication,
// the tenant and compression are done before a request comes here.
//
// It may import query/logql, storage, telemetry and internal/tenant.
package loki
