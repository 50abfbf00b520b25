package syntax

import (
	"fmt"
	"strconv"
	"strings"
)

// PathStep is one step into a JSON document: a field, or an index where Key
// is empty and IsIndex is set.
type PathStep struct {
	Key     string
	Index   int
	IsIndex bool
}

// ParseJSONPath reads a.b[0]["c d"].
func ParseJSONPath(s string) ([]PathStep, error) {
	var steps []PathStep
	wrong := func(i int) error {
		return fmt.Errorf("cannot parse expression [%s]: expected fields such as a.b, a[0] or [\"a\"], at character %d", s, i+1)
	}
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '[':
			step, n, ok := bracketStep(s[i:])
			if !ok {
				return nil, wrong(i)
			}
			steps = append(steps, step)
			i += n
		case c == '.' && len(steps) > 0 && i+1 < len(s) && isIdentStart(s[i+1]):
			i++
		case isIdentStart(c) && (len(steps) == 0 || s[i-1] == '.'):
			n := i
			for n < len(s) && (isIdentPart(s[n]) || s[n] == '-') {
				n++
			}
			steps = append(steps, PathStep{Key: s[i:n]})
			i = n
		default:
			return nil, wrong(i)
		}
	}
	if len(steps) == 0 {
		return nil, wrong(0)
	}
	return steps, nil
}

// bracketStep reads [0] or ["key"] at the start of s.
func bracketStep(s string) (step PathStep, n int, ok bool) {
	if len(s) > 1 && s[1] == '"' {
		q, err := strconv.QuotedPrefix(s[1:])
		if err != nil || !strings.HasPrefix(s[1+len(q):], "]") {
			return step, 0, false
		}
		step.Key, err = strconv.Unquote(q)
		return step, len(q) + 2, err == nil
	}
	end := strings.IndexByte(s, ']')
	if end < 2 {
		return step, 0, false
	}
	idx, err := strconv.Atoi(s[1:end])
	return PathStep{Index: idx, IsIndex: true}, end + 1, err == nil && idx >= 0
}
