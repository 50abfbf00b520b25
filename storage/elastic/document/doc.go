// Package document is a log record or a span as a document of Elasticsearch,
// in OpenTelemetry's shape: it writes the JSON that is indexed, and reads a
// record back from it, equal to what went in.
//
// What JSON cannot tell apart (bytes from text, NaN from "NaN", maps within
// attributes, attributes that have the same key) stands in the document as
// people would look for it; such a document also carries its record as OTLP in
// clew.raw, which is then what is read. Most documents need none.
//
// docs/format/elasticsearch.md describes the documents. It may import
// telemetry, telemetry/otlp and correlation.
package document
