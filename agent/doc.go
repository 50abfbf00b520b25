// Package agent is what runs on each node: an OpenTelemetry Collector
// distribution that ships the host's logs and metrics, and whatever
// applications on it send as OTLP, to a clew server.
//
// It owns the list of components that are linked, the flags, and the
// configuration that is made for this host when none is given. Its own
// components live below it: lines (times, severities and services of log
// lines), hostattr (which host it was), keep (no line is lost between a file
// and the queue on disk), queuefile (nor out of that queue) and patience (which
// answers are worth a retry).
//
// It may import telemetry and correlation, and nothing else of clew.
package agent
