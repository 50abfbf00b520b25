// Package pipeline runs the stages of a LogQL query over one record after the
// other: line filters, parsers, label filters, formats.
//
// It owns what each stage does to a line and its labels, and the errors that
// stages leave behind in __error__. A Pipeline keeps state between records
// (scratch space, what distinct has seen) and so belongs to one goroutine.
//
// It may import query/logql/syntax and query/logql/entry.
package pipeline
