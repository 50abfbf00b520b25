// Package compare tells what the records of one selection have in common that
// those of another one do not: the attributes and values that occur more often
// on one side. It is what GET /api/v1/compare says.
//
// It owns the counting (count.go) and the ranking (engine.go). What a query
// selects it is told by functions (storage.Selectors): it knows no language,
// and reads through package storage's interfaces.
package compare
