// Package otlp is the wire format in and out: OTLP protobuf bytes to records
// and back, without a tree of protobuf objects in between.
//
// It owns the field numbers of opentelemetry-proto and nothing else. It may
// import telemetry only.
package otlp
