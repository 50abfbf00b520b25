package syntax

import "fmt"

// Pos is a place in a query, both numbers from 1; columns count characters.
type Pos struct{ Line, Col int }

// ParseError says what is wrong with a query and where.
type ParseError struct {
	Pos Pos
	Msg string
}

// Error renders e in the form Loki's users know.
func (e *ParseError) Error() string {
	return fmt.Sprintf("parse error at line %d, col %d: %s", e.Pos.Line, e.Pos.Col, e.Msg)
}

func errorAt(p Pos, format string, args ...any) *ParseError {
	return &ParseError{Pos: p, Msg: fmt.Sprintf(format, args...)}
}
