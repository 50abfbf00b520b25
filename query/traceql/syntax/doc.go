// Package syntax is TraceQL's grammar: lexer, parser, syntax tree and type
// check. It turns the text of a query into a tree that the engine evaluates,
// and refuses what is wrong with the line and column where it went wrong.
//
// It knows nothing of spans and stores, and imports the standard library and
// Prometheus's duration syntax only.
package syntax
