// Package entry shows a stored log record the way Loki's users expect it: its
// stream labels, its structured metadata, its line and its detected level.
//
// It owns the names: resource attributes become stream labels, everything
// else a record carries becomes structured metadata, dots and other characters
// a label cannot have become underscores. It neither filters nor parses.
//
// It may import telemetry.
package entry
