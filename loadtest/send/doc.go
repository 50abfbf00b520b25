// Package send encodes a workload as OTLP and posts it to an endpoint. A
// request is encoded once and sent byte for byte the same until the endpoint
// takes or refuses it, as exporters do, so that what an endpoint makes of a
// retry is tested along the way.
//
// It may import loadtest/workload and OpenTelemetry's data model.
package send
