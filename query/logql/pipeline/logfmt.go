package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/syntax"
)

// errLogfmtParser marks a record whose line is not logfmt.
const errLogfmtParser = "LogfmtParserErr"

var errUnterminated = errors.New("the quoted value does not end")

type logfmt struct {
	strict, keepEmpty bool
	labels            []string // of expressions; empty for all keys
	keys              []string
}

func newLogfmt(s *syntax.Logfmt) *logfmt {
	l := &logfmt{strict: s.Strict, keepEmpty: s.KeepEmpty}
	for _, x := range s.Extract {
		l.labels = append(l.labels, x.Label)
		l.keys = append(l.keys, entry.Name(x.Path))
	}
	return l
}

func (l *logfmt) process(r *Record) bool {
	b := &r.Labels
	for _, label := range l.labels {
		if !b.taken(label) {
			b.Set(FromParser, label, "")
		}
	}
	err := scanLogfmt(r.Line, l.strict, func(key, value string) {
		name := entry.Name(key)
		if name == "" || (value == "" && !l.keepEmpty) {
			return
		}
		if len(l.labels) == 0 {
			b.Extract(name, value)
			return
		}
		for i, want := range l.keys {
			if want == name {
				b.Replace(l.labels[i], value)
			}
		}
	})
	if err != nil {
		b.SetError(errLogfmtParser, err.Error())
	}
	return true
}

// scanLogfmt calls pair for every key=value of the line. Where a pair is
// broken it goes on behind it, or stops with an error if strict.
func scanLogfmt(line string, strict bool, pair func(key, value string)) error {
	for i := 0; i < len(line); {
		if line[i] <= ' ' {
			i++
			continue
		}
		start := i
		for i < len(line) && line[i] > ' ' && line[i] != '=' && line[i] != '"' {
			i++
		}
		key := line[start:i]
		bad := ""
		switch {
		case i < len(line) && line[i] == '"':
			bad = `unexpected '"'`
		case key == "" || !utf8.ValidString(key):
			bad = "unexpected '='"
		}
		if bad != "" {
			if strict {
				return fmt.Errorf("logfmt syntax error at pos %d : %s", i+1, bad)
			}
			i = skipWord(line, i)
			continue
		}
		if i == len(line) || line[i] != '=' {
			pair(key, "")
			continue
		}
		value, next, err := logfmtValue(line, i+1)
		if err != nil && strict {
			return fmt.Errorf("logfmt syntax error at pos %d : %w", i+2, err)
		}
		if err == nil {
			pair(key, value)
		}
		i = next
	}
	return nil
}

func skipWord(line string, i int) int {
	for i < len(line) && line[i] > ' ' {
		i++
	}
	return i
}

// logfmtValue reads the value at i, quoted or not, and where it ends.
func logfmtValue(line string, i int) (value string, next int, err error) {
	if i >= len(line) || line[i] != '"' {
		end := skipWord(line, i)
		value = line[i:end]
		if strings.ContainsAny(value, `="`) {
			return "", end, fmt.Errorf("unexpected %q in a value without quotes", value)
		}
		return validText(value), end, nil
	}
	for end := i + 1; end < len(line); end++ {
		switch line[end] {
		case '\\':
			end++
		case '"':
			raw := line[i+1 : end]
			if strings.IndexByte(raw, '\\') >= 0 {
				raw = unescape([]byte(raw))
			}
			return validText(raw), end + 1, nil
		}
	}
	return "", len(line), errUnterminated
}

// validText returns "" for bytes that are not text.
func validText(s string) string {
	if !utf8.ValidString(s) || strings.ContainsRune(s, utf8.RuneError) {
		return ""
	}
	return s
}
