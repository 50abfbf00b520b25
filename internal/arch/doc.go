// Package arch holds the architecture to its word: its test reads the source
// and fails on an import that points the wrong way, a package without a doc,
// a function or file that grew too long, and the like. It has no code that
// runs.
package arch
