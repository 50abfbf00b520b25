// Package samples brings metrics into a tenant's metric store: OTLP metrics
// translated with Prometheus's own converter, and the samples of remote write.
//
// It owns which data points are rejected and what a failing store means for
// the request. It may import storage, telemetry, internal/tenant and the
// collector's admission.
package samples
