// Package search makes the queries and aggregations that Elasticsearch is asked
// for: as JSON, of the store's own questions. It does no input or output, and
// imports the contracts of storage and the documents' shape.
package search
