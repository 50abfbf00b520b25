// Package otlp takes in OpenTelemetry's own protocol: over HTTP as protobuf
// and JSON, and over gRPC.
//
// It owns the protocol: content types, answers, partial success and error
// bodies. The bytes of a request go to the admission as they came. It may
// import the collector's admission, samples and body.
package otlp
