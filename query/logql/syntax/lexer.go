package syntax

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokIdent
	tokString
	tokNumber
	tokDuration
	tokBytes
	tokFlag // --strict
	tokOp   // punctuation and operators, told apart by their text
)

// token is one word of a query. text is the source for identifiers, flags and
// operators, the unquoted content for strings.
type token struct {
	kind tokenKind
	text string
	num  float64
	dur  time.Duration
	size uint64
	pos  Pos
}

// describe names t in an error message.
func (t token) describe() string {
	switch t.kind {
	case tokEOF:
		return "end of query"
	case tokIdent:
		return "identifier " + t.text
	case tokString:
		return "string " + strconv.Quote(t.text)
	case tokNumber:
		return "number " + t.text
	case tokDuration:
		return "duration " + t.text
	case tokBytes:
		return "size " + t.text
	}
	return strconv.Quote(t.text)
}

type lexer struct {
	src       string
	off       int
	line, col int
}

// operators, longest first among those with a common start.
var operators = []string{
	"|=", "|~", "|>", "!=", "!~", "!>", "==", "=~", ">=", "<=", "||", "&&",
	"|", "=", ">", "<", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}", "[", "]", ",",
}

// lex splits a query into tokens, the last one being tokEOF.
func lex(src string) ([]token, error) {
	l := &lexer{src: src, line: 1, col: 1}
	var out []token
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		out = append(out, t)
		if t.kind == tokEOF {
			return out, nil
		}
	}
}

func (l *lexer) pos() Pos { return Pos{Line: l.line, Col: l.col} }

// advance moves over n bytes and keeps line and column.
func (l *lexer) advance(n int) {
	for _, r := range l.src[l.off : l.off+n] {
		if r == '\n' {
			l.line++
			l.col = 1
		} else {
			l.col++
		}
	}
	l.off += n
}

func (l *lexer) skipSpace() {
	for l.off < len(l.src) {
		switch c := l.src[l.off]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			l.advance(1)
		case c == '#':
			n := strings.IndexByte(l.src[l.off:], '\n')
			if n < 0 {
				n = len(l.src) - l.off
			}
			l.advance(n)
		default:
			return
		}
	}
}

func (l *lexer) next() (token, error) {
	l.skipSpace()
	t := token{pos: l.pos()}
	if l.off == len(l.src) {
		return t, nil
	}
	rest := l.src[l.off:]
	c := rest[0]
	switch {
	case isIdentStart(c):
		n := 1
		for n < len(rest) && isIdentPart(rest[n]) {
			n++
		}
		t.kind, t.text = tokIdent, rest[:n]
		l.advance(n)
		return t, nil
	case c >= '0' && c <= '9', c == '.' && len(rest) > 1 && rest[1] >= '0' && rest[1] <= '9':
		return l.number(t, rest)
	case c == '"' || c == '`' || c == '\'':
		return l.str(t, rest)
	case strings.HasPrefix(rest, "--") && len(rest) > 2 && isIdentStart(rest[2]):
		n := 2
		for n < len(rest) && (isIdentPart(rest[n]) || rest[n] == '-') {
			n++
		}
		t.kind, t.text = tokFlag, rest[:n]
		l.advance(n)
		return t, nil
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			t.kind, t.text = tokOp, op
			l.advance(len(op))
			return t, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return t, errorAt(t.pos, "syntax error: unexpected character %q", r)
}

// number reads a number and whatever letters stick to it, and tells by trying
// whether that is a plain number, a duration or a size.
func (l *lexer) number(t token, rest string) (token, error) {
	n := 0
	for n < len(rest) {
		r, size := utf8.DecodeRuneInString(rest[n:])
		exponent := (r == '+' || r == '-') && n > 0 && (rest[n-1] == 'e' || rest[n-1] == 'E') &&
			!strings.HasPrefix(rest, "0x") && n+1 < len(rest) && rest[n+1] >= '0' && rest[n+1] <= '9'
		if !exponent && r != '.' && r != 'µ' && r != 'μ' && (r >= utf8.RuneSelf || !isIdentPart(byte(r))) {
			break
		}
		n += size
	}
	t.text = rest[:n]
	l.advance(n)
	if f, err := parseNumber(t.text); err == nil {
		t.kind, t.num = tokNumber, f
		return t, nil
	}
	if d, err := parseDuration(t.text); err == nil {
		t.kind, t.dur = tokDuration, d
		return t, nil
	}
	if b, err := ParseBytes(t.text); err == nil {
		t.kind, t.size = tokBytes, b
		return t, nil
	}
	return t, errorAt(t.pos, "syntax error: %q is neither a number, nor a duration such as 5m, nor a size such as 20MB", t.text)
}

func (l *lexer) str(t token, rest string) (token, error) {
	quote := rest[0]
	n := 1
	for n < len(rest) && rest[n] != quote {
		if quote != '`' && rest[n] == '\\' {
			n++
		} else if quote != '`' && rest[n] == '\n' {
			break
		}
		n++
	}
	if n >= len(rest) || rest[n] != quote {
		return t, errorAt(t.pos, "syntax error: literal not terminated: expecting a closing %c", quote)
	}
	text, err := unquote(rest[:n+1])
	if err != nil {
		return t, errorAt(t.pos, "syntax error: invalid escape in string %s", rest[:n+1])
	}
	t.kind, t.text = tokString, text
	l.advance(n + 1)
	return t, nil
}

// unquote is strconv.Unquote, and takes strings of any length in single quotes.
func unquote(s string) (string, error) {
	if s[0] != '\'' {
		if s[0] == '`' {
			return s[1 : len(s)-1], nil // strconv drops carriage returns
		}
		return strconv.Unquote(s)
	}
	var b strings.Builder
	for s = s[1 : len(s)-1]; s != ""; {
		r, multi, tail, err := strconv.UnquoteChar(s, '\'')
		if err != nil {
			return "", err
		}
		s = tail
		if r < utf8.RuneSelf || !multi {
			b.WriteByte(byte(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String(), nil
}

func isIdentStart(c byte) bool {
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
}

func isIdentPart(c byte) bool { return isIdentStart(c) || (c >= '0' && c <= '9') }
