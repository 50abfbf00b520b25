// Package plan decides what of a LogQL query the store can do: which streams
// it needs not look at, which literals and correlation IDs must stand in a
// record, which columns are read at all.
//
// It owns soundness: whatever it pushes down may only leave out records that
// the pipeline would filter out anyway. It reads nothing itself.
//
// It may import storage, correlation, telemetry and query/logql/syntax.
package plan
