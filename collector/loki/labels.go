package loki

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// errNoLabels: a stream without labels could not be selected.
var errNoLabels = errors.New("at least one label pair is required per stream")

// parseLabels reads a stream's labels as Loki's clients write them:
// {app="checkout", env='prod'}. They come back sorted by name.
func parseLabels(text string) (telemetry.Attrs, error) {
	p := labelParser{rest: strings.TrimSpace(text), all: text}
	attrs, err := p.labels()
	if err != nil {
		return nil, fmt.Errorf("could not parse labels %s: %w", clip(text), err)
	}
	return checkLabels(attrs)
}

// clip shortens a sender's text for an error message.
func clip(s string) string {
	const limit = 200
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}

type labelParser struct{ rest, all string }

func (p *labelParser) at() int { return len(strings.TrimRight(p.all, " \t\r\n")) - len(p.rest) }

func (p *labelParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *labelParser) take(c byte) bool {
	p.space()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *labelParser) labels() (telemetry.Attrs, error) {
	if !p.take('{') {
		return nil, errors.New("want '{' at the start")
	}
	var attrs telemetry.Attrs
	for !p.take('}') {
		if len(attrs) > 0 && !p.take(',') {
			return nil, fmt.Errorf("want ',' or '}' at position %d", p.at())
		}
		if p.take('}') {
			break // a comma may stand behind the last pair
		}
		p.space()
		n := 0
		for n < len(p.rest) && nameByte(p.rest[n], n == 0) {
			n++
		}
		name := p.rest[:n]
		if n == 0 {
			return nil, fmt.Errorf("want a label name at position %d", p.at())
		}
		p.rest = p.rest[n:]
		if !p.take('=') {
			return nil, fmt.Errorf("want '=' after label name %s at position %d", name, p.at())
		}
		value, err := p.value()
		if err != nil {
			return nil, fmt.Errorf("value of label %s: %w", name, err)
		}
		attrs = append(attrs, telemetry.Attr{Key: name, Value: telemetry.String(value)})
	}
	p.space()
	if p.rest != "" {
		return nil, fmt.Errorf("unexpected text at position %d, after '}'", p.at())
	}
	return attrs, nil
}

// value reads a string in double quotes, single quotes or backticks.
func (p *labelParser) value() (string, error) {
	p.space()
	if p.rest == "" || !strings.ContainsRune("\"'`", rune(p.rest[0])) {
		return "", fmt.Errorf("want a quoted string at position %d", p.at())
	}
	quote := p.rest[0]
	end := 1
	for ; end < len(p.rest) && p.rest[end] != quote; end++ {
		if p.rest[end] == '\\' && quote != '`' {
			end++
		}
	}
	if end >= len(p.rest) {
		return "", fmt.Errorf("no closing %c for the one at position %d", quote, p.at())
	}
	quoted := p.rest[:end+1]
	at := p.at()
	p.rest = p.rest[end+1:]
	if quote == '\'' {
		// The same escapes, in quotes that strconv knows for whole strings.
		inner := strings.ReplaceAll(quoted[1:end], `\'`, `'`)
		quoted = `"` + strings.ReplaceAll(inner, `"`, `\"`) + `"`
	}
	// A line break inside double quotes is no Go syntax, but clients send it.
	if quote != '`' {
		quoted = strings.ReplaceAll(quoted, "\n", `\n`)
	}
	value, err := strconv.Unquote(quoted)
	if err != nil {
		return "", fmt.Errorf("the string at position %d holds an escape that does not exist", at)
	}
	return value, nil
}

func nameByte(c byte, first bool) bool {
	return c == '_' || c == ':' || c|0x20 >= 'a' && c|0x20 <= 'z' || !first && c >= '0' && c <= '9'
}

// checkLabels sorts labels by name and refuses what cannot name a stream.
func checkLabels(attrs telemetry.Attrs) (telemetry.Attrs, error) {
	if len(attrs) == 0 {
		return nil, errNoLabels
	}
	slices.SortStableFunc(attrs, func(a, b telemetry.Attr) int { return strings.Compare(a.Key, b.Key) })
	for i := range attrs {
		if i > 0 && attrs[i].Key == attrs[i-1].Key {
			return nil, fmt.Errorf("label %s stands there twice", attrs[i].Key)
		}
		if !validName(attrs[i].Key) {
			return nil, fmt.Errorf("label name %q: want letters, digits, '_' or ':', not starting with a digit", clip(attrs[i].Key))
		}
	}
	return attrs, nil
}

func validName(name string) bool {
	for i := range len(name) {
		if !nameByte(name[i], i == 0) {
			return false
		}
	}
	return name != ""
}
