// Package correlate answers "what happened to this ID, everywhere, in order":
// it follows one correlation ID through logs, spans and exemplars, over the
// IDs that the found records carry, and merges everything into one story.
//
// It owns the walk (gather.go) and the answer (answer.go, build.go, edges.go),
// which is what GET /api/v1/correlate/{id} says. It reads through package
// storage's interfaces and imports telemetry and correlation.
package correlate
