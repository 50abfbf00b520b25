// Package loki takes in Loki's push protocol, protobuf and JSON, and turns it
// into OTLP: stream labels become resource attributes under their own names,
// structured metadata become attributes of the record.
//
// It owns the protocol and that mapping. It may import the collector's
// admission and body, telemetry and telemetry/otlp.
package loki
