// Package deletion takes requests to delete records: clew's own at
// /api/v1/delete, and Loki's at /loki/api/v1/delete.
//
// It owns the two protocols; what a deletion is and how it is carried out is
// the store's. It may import storage and telemetry.
package deletion
