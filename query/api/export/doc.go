// Package export writes what a query selects as a Parquet file, for DuckDB and
// whatever else reads those: GET /api/v1/export.
//
// It owns the schema of the files. It reads through package storage and asks
// the query languages what a query selects; it may import storage, telemetry,
// query/logql and query/traceql.
package export
