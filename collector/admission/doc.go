// Package admission decides what is taken in. Every protocol hands it decoded
// batches; it checks limits and the validity of every record, writes what is
// good to the store, and says what became of the rest.
//
// It owns the rules by which a record or a request is refused, their reasons
// and their metrics. What is wrong with one record rejects that record alone.
// It may import storage, telemetry and internal/tenant.
package admission
