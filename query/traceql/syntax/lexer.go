package syntax

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"
)

// operators, longest first within one leading character.
var operators = []string{
	"{", "}", "(", ")", ",",
	"=~", "=", "!>>", "!<<", "!=", "!~", "!>", "!<", "!",
	">>", ">=", ">", "<<", "<=", "<", "~",
	"&>>", "&<<", "&&", "&~", "&>", "&<",
	"||", "|", "+", "-", "*", "/", "%", "^",
}

// attributeScopes are the words that, with a dot, begin an attribute.
var attributeScopes = map[string]bool{
	"span": true, "resource": true, "event": true, "link": true,
	"instrumentation": true, "parent": true,
}

// intrinsicScopes are the words that, with a colon, begin an intrinsic.
var intrinsicScopes = map[string]bool{
	"trace": true, "span": true, "event": true, "link": true, "instrumentation": true,
}

// lexer cuts a query into tokens. An attribute's name runs up to the next
// character that cannot stand in one, so it is cut right after its scope.
type lexer struct {
	src string
	off int
	pos pos
	out []token
}

// lex returns the tokens of src, closed by a tokEOF.
func lex(src string) ([]token, error) {
	if !utf8.ValidString(src) {
		return nil, errorAt(pos{1, 1}, "the query is not valid UTF-8")
	}
	l := &lexer{src: src, pos: pos{1, 1}}
	for {
		if err := l.skipSpace(); err != nil {
			return nil, err
		}
		if l.off >= len(l.src) {
			l.out = append(l.out, token{kind: tokEOF, pos: l.pos})
			return l.out, nil
		}
		if err := l.next(); err != nil {
			return nil, err
		}
	}
}

func (l *lexer) peek() rune {
	if l.off >= len(l.src) {
		return -1
	}
	r, _ := utf8.DecodeRuneInString(l.src[l.off:])
	return r
}

// advance moves over n bytes and keeps the place.
func (l *lexer) advance(n int) {
	for _, r := range l.src[l.off : l.off+n] {
		if r == '\n' {
			l.pos.line++
			l.pos.col = 1
			continue
		}
		l.pos.col++
	}
	l.off += n
}

// skipSpace moves over white space and comments.
func (l *lexer) skipSpace() error {
	for l.off < len(l.src) {
		rest := l.src[l.off:]
		switch r := l.peek(); {
		case unicode.IsSpace(r):
			l.advance(utf8.RuneLen(r))
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			l.advance(end)
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				return errorAt(l.pos, "comment is not closed, expected */")
			}
			l.advance(end + 2)
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) next() error {
	start := l.pos
	rest := l.src[l.off:]
	r := l.peek()
	switch {
	case r == '"' || r == '`':
		return l.stringToken(start)
	case isDigit(r), r == '.' && len(rest) > 1 && isDigit(rune(rest[1])):
		return l.numberToken(start)
	case r == '.':
		l.advance(1)
		l.out = append(l.out, token{kind: tokScope, text: ".", pos: start})
		return l.attributeToken(".")
	case r == '_' || unicode.IsLetter(r):
		return l.wordToken(start)
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			l.advance(len(op))
			l.out = append(l.out, token{kind: tokOp, text: op, pos: start})
			return nil
		}
	}
	return errorAt(start, "unexpected character %q", r)
}

func (l *lexer) stringToken(start pos) error {
	quoted, err := strconv.QuotedPrefix(l.src[l.off:])
	if err != nil {
		return errorAt(start, "string is not closed or holds an invalid escape, expected a closing %c", l.peek())
	}
	text, err := strconv.Unquote(quoted)
	if err != nil {
		return errorAt(start, "invalid string %s", quoted)
	}
	l.advance(len(quoted))
	l.out = append(l.out, token{kind: tokString, text: text, pos: start})
	return nil
}

// numberToken reads an integer, a floating point number or a duration: digits
// with whatever unit follows them without a space.
func (l *lexer) numberToken(start pos) error {
	rest := l.src[l.off:]
	n := numberLen(rest)
	number := rest[:n]
	end := n
	for end < len(rest) {
		r, size := utf8.DecodeRuneInString(rest[end:])
		if !isDigit(r) && r != '.' && !strings.ContainsRune("nsumhµdwy", r) {
			break
		}
		end += size
	}
	if end > n {
		if d, ok := parseDuration(rest[:end]); ok {
			l.advance(end)
			l.out = append(l.out, token{kind: tokDuration, text: rest[:end], i: int64(d), pos: start})
			return nil
		}
	}
	tok := token{text: number, pos: start}
	if i, err := strconv.ParseInt(number, 10, 64); err == nil {
		tok.kind, tok.i, tok.num = tokInt, i, float64(i)
	} else if f, err := strconv.ParseFloat(number, 64); err == nil && strings.ContainsAny(number, ".eE") {
		tok.kind, tok.num = tokFloat, f
	} else {
		return errorAt(start, "number %s is out of range, expected a 64 bit integer or a floating point number", number)
	}
	l.advance(n)
	l.out = append(l.out, tok)
	return nil
}

// numberLen is the length of the number at the start of s, without a unit.
func numberLen(s string) int {
	n := 0
	digits := func() {
		for n < len(s) && isDigit(rune(s[n])) {
			n++
		}
	}
	digits()
	if n < len(s) && s[n] == '.' {
		n++
		digits()
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		e := n + 1
		if e < len(s) && (s[e] == '+' || s[e] == '-') {
			e++
		}
		if e < len(s) && isDigit(rune(s[e])) {
			n = e
			digits()
		}
	}
	return n
}

func parseDuration(s string) (time.Duration, bool) {
	if d, err := model.ParseDuration(s); err == nil {
		return time.Duration(d), true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

func (l *lexer) wordToken(start pos) error {
	rest := l.src[l.off:]
	n := 0
	for n < len(rest) {
		r, size := utf8.DecodeRuneInString(rest[n:])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		n += size
	}
	word := rest[:n]
	l.advance(n)
	if n < len(rest) {
		switch {
		case rest[n] == '.' && attributeScopes[word]:
			l.advance(1)
			l.out = append(l.out, token{kind: tokScope, text: word + ".", pos: start})
			return l.attributeToken(word)
		case rest[n] == ':' && intrinsicScopes[word]:
			l.advance(1)
			l.out = append(l.out, token{kind: tokScope, text: word + ":", pos: start})
			return nil
		}
	}
	l.out = append(l.out, token{kind: tokWord, text: word, pos: start})
	return nil
}

// attributeToken reads the name that follows a scope. Behind "parent." the
// scopes span. and resource. may stand before the name.
func (l *lexer) attributeToken(scope string) error {
	if scope == "parent" {
		for _, inner := range []string{"span.", "resource."} {
			if strings.HasPrefix(l.src[l.off:], inner) {
				l.out = append(l.out, token{kind: tokScope, text: inner, pos: l.pos})
				l.advance(len(inner))
				break
			}
		}
	}
	start := l.pos
	var name strings.Builder
	for {
		r := l.peek()
		if r == '"' {
			part, err := l.quotedAttribute()
			if err != nil {
				return err
			}
			name.WriteString(part)
			continue
		}
		if !isAttributeRune(r) {
			break
		}
		name.WriteRune(r)
		l.advance(utf8.RuneLen(r))
	}
	if name.Len() == 0 {
		return errorAt(start, "expected the name of an attribute")
	}
	l.out = append(l.out, token{kind: tokAttribute, text: name.String(), pos: start})
	return nil
}

func (l *lexer) quotedAttribute() (string, error) {
	start := l.pos
	l.advance(1)
	var b strings.Builder
	for {
		switch r := l.peek(); r {
		case -1:
			return "", errorAt(start, `quoted attribute name is not closed, expected "`)
		case '"':
			l.advance(1)
			return b.String(), nil
		case '\\':
			l.advance(1)
			next := l.peek()
			if next != '"' && next != '\\' {
				return "", errorAt(l.pos, `invalid escape sequence in an attribute name, expected \" or \\`)
			}
			b.WriteRune(next)
			l.advance(1)
		default:
			b.WriteRune(r)
			l.advance(utf8.RuneLen(r))
		}
	}
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func isAttributeRune(r rune) bool {
	return r >= 0 && !unicode.IsSpace(r) && !strings.ContainsRune("{}()=~!<>&|^,", r)
}
