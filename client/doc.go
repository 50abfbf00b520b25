// Package client is the command line's side of clew: it asks a server over
// HTTP (its own API, and those of Loki, Tempo and Prometheus) and renders the
// answers in a terminal.
//
// It owns requests, rendering and exit codes; cmd/clew gives it flags. It may
// import query/correlate and query/servicemap for the shapes of their answers.
package client
