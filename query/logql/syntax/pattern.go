package syntax

import (
	"fmt"
	"strings"
)

// PatternPart is a literal, or a capture where Capture is set; a capture
// without a name matches and is thrown away.
type PatternPart struct {
	Capture bool
	Text    string // the literal, or the capture's name
}

// ParsePattern splits a pattern into literals and captures: <name> and <_>.
// Anything else between angle brackets is literal.
func ParsePattern(s string) ([]PatternPart, error) {
	var parts []PatternPart
	lit := strings.Builder{}
	flush := func() {
		if lit.Len() > 0 {
			parts = append(parts, PatternPart{Text: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(s); {
		if name, n := captureAt(s[i:]); n > 0 {
			flush()
			if k := len(parts); k > 0 && parts[k-1].Capture {
				return nil, fmt.Errorf("invalid pattern %q: found consecutive captures: <%s> must not follow another capture at once", s, name)
			}
			if name == "_" {
				name = ""
			}
			parts = append(parts, PatternPart{Capture: true, Text: name})
			i += n
			continue
		}
		lit.WriteByte(s[i])
		i++
	}
	flush()
	return parts, nil
}

// captureAt returns the name of a capture at the start of s and its length.
func captureAt(s string) (string, int) {
	if len(s) < 3 || s[0] != '<' || !isIdentStart(s[1]) {
		return "", 0
	}
	n := 2
	for n < len(s) && isIdentPart(s[n]) {
		n++
	}
	if n == len(s) || s[n] != '>' {
		return "", 0
	}
	return s[1:n], n + 1
}

// checkParserPattern checks the pattern of | pattern.
func checkParserPattern(s string) error {
	parts, err := ParsePattern(s)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, p := range parts {
		if !p.Capture || p.Text == "" {
			continue
		}
		if seen[p.Text] {
			return fmt.Errorf("invalid pattern %q: duplicate capture name <%s>", s, p.Text)
		}
		seen[p.Text] = true
	}
	if len(seen) == 0 {
		return fmt.Errorf("invalid pattern %q: at least one named capture such as <name> is required", s)
	}
	return nil
}

// CheckLinePattern checks the pattern of |> and !>.
func CheckLinePattern(s string) error {
	parts, err := ParsePattern(s)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if p.Capture && p.Text != "" {
			return fmt.Errorf("invalid pattern %q: a line filter takes only <_>, not <%s>", s, p.Text)
		}
	}
	return nil
}
