// Package compare gives the same load and the same questions to clew and to
// other stores in one run, and works out ratios: CPU time, memory, bytes on
// disk, latency. It owns what a store is asked in which language.
//
// It may import loadtest/workload, send, serve and proc; nothing of clew, whose
// judge it is.
package compare
