// Package tempo answers Tempo's HTTP API below /tempo/api and its streaming
// gRPC service, so that Grafana's Tempo data source works unchanged.
//
// It translates requests into calls of the TraceQL engine and answers into
// Tempo's messages, whose JSON follows protobuf's mapping (64 bit integers as
// strings, IDs in base64) because Grafana decodes it strictly. It may import
// query/traceql, storage, telemetry and internal/tenant.
package tempo
