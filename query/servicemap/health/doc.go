// Package health says how the nodes of the map are beyond their calls, and why:
// firing alerts (alerts.go), restarts of pods (restarts.go), events of
// Kubernetes (events.go), failed health checks and what services' own health
// checks say of their dependencies (checks.go). It also knows which services
// only send metrics (services.go).
//
// All of it is read from what is stored, metrics and logs, for the range of
// the map: a map of last night shows the alerts of last night.
//
// It imports package storage's interfaces, Prometheus's own, telemetry and
// correlation.
package health
