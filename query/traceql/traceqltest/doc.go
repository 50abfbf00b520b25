// Package traceqltest helps to test what reads traces: a store in memory that
// gives back exactly what the contract promises and nothing more, and a small
// language for traces in test files. Only tests import it.
package traceqltest
