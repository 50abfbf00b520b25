// Package server puts the house together: it opens the stores, hands them to
// collector, query and alert, starts the listeners and stops everything in
// reverse order. Contracts meet their implementations here and nowhere else.
//
// It owns the configuration file, authentication, the process's own health and
// telemetry. It may import every room but agent; only cmd imports it.
package server
