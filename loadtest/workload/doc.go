// Package workload makes up the telemetry of a small shop: twelve services,
// two PostgreSQL servers, a Redis, a Kafka topic and a payment provider, and
// the requests that customers send through them.
//
// Everything follows from a seed. Request number i is the same in every run
// and on every machine, so the truth (which spans, logs, edges and samples a
// server must hold) is never written down: it is computed again when somebody
// asks. Only the times depend on when the window ends.
//
// It owns the shop and the truth about it. It knows nothing of wire formats or
// servers, and imports nothing of clew, so that a bug there cannot hide here.
package workload
