// Package zipkin takes in spans in Zipkin's JSON format, version 2.
//
// It owns the format and how it maps to OTLP. It may import the collector's
// admission and body, telemetry and telemetry/otlp.
package zipkin
