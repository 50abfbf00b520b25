// Package elastic takes in documents through Elasticsearch's bulk API, as
// Logstash, Filebeat, Fluentd and Fluent Bit send them, and turns each into a
// log record.
//
// It owns the protocol and how documents of the Elastic Common Schema map to
// OTLP. It may import the collector's admission and body, telemetry and
// telemetry/otlp.
package elastic
