// Package prometheus serves Prometheus's HTTP API over the metrics store, at
// /prometheus/api/v1/..., so that Grafana and everything else that speaks
// PromQL can read from clew.
//
// It owns the PromQL engine and the routes; what they answer comes from
// Prometheus's own handlers (web/api/v1), one set per tenant. Writing
// (/prometheus/api/v1/write) belongs to the collector.
//
// It may import storage, internal/tenant and Prometheus's packages.
package prometheus
