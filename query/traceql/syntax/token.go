package syntax

import "fmt"

// tokenKind is what sort of token stands at a place.
type tokenKind uint8

const (
	tokEOF       tokenKind = iota
	tokOp                  // operator or bracket; text says which
	tokWord                // keyword or identifier
	tokScope               // "span." and its like, "trace:" and its like
	tokAttribute           // the name of an attribute, after a scope or a dot
	tokString
	tokInt
	tokFloat
	tokDuration
)

// pos is a place in the query; both count from 1, columns in runes.
type pos struct{ line, col int }

type token struct {
	kind tokenKind
	text string // as the parser looks at it: unquoted for strings and attributes
	num  float64
	i    int64 // tokInt, and nanoseconds of tokDuration
	pos  pos
}

// describe names the token in an error.
func (t token) describe() string {
	switch t.kind {
	case tokEOF:
		return "end of the query"
	case tokString:
		return fmt.Sprintf("string %q", t.text)
	case tokInt, tokFloat:
		return "number " + t.text
	case tokDuration:
		return "duration " + t.text
	case tokAttribute:
		return "attribute " + t.text
	}
	return "'" + t.text + "'"
}

// Error says what is wrong with a query and where. Line and Col count from 1.
type Error struct {
	Line, Col int
	Msg       string
}

// Error renders the message as Tempo does: with the place in front.
func (e *Error) Error() string {
	return fmt.Sprintf("parse error at line %d, col %d: %s", e.Line, e.Col, e.Msg)
}

func errorAt(p pos, format string, args ...any) *Error {
	return &Error{Line: p.line, Col: p.col, Msg: fmt.Sprintf(format, args...)}
}
