// Package collector is the way in: it speaks the protocols in which telemetry
// arrives, admits what is good, hands it to the store, and acknowledges only
// what the store has made durable.
//
// It owns the protocols of writing, one package each (otlp, loki,
// remotewrite, zipkin, elastic), the rules of admission, and nothing that
// happens to records afterwards. It may import storage and telemetry; it sees
// the store through storage's interfaces only.
package collector
