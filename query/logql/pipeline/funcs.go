package pipeline

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"

	"github.com/clewhq/clew/query/logql/syntax"
)

// functions returns what templates may call. No result is longer than most.
func functions(most int) template.FuncMap {
	re := regexps{}
	m := template.FuncMap{
		// The names of Go's strings package, kept for old queries.
		"ToLower": strings.ToLower, "ToUpper": strings.ToUpper, "Replace": strings.Replace, "Trim": strings.Trim,
		"TrimLeft": strings.TrimLeft, "TrimRight": strings.TrimRight, "TrimPrefix": strings.TrimPrefix,
		"TrimSuffix": strings.TrimSuffix, "TrimSpace": strings.TrimSpace,

		"lower": strings.ToLower, "upper": strings.ToUpper, "title": title, "trunc": trunc, "substr": substr,
		"contains":               func(sub, s string) bool { return strings.Contains(s, sub) },
		"hasPrefix":              func(sub, s string) bool { return strings.HasPrefix(s, sub) },
		"hasSuffix":              func(sub, s string) bool { return strings.HasSuffix(s, sub) },
		"replace":                func(old, repl, s string) string { return strings.ReplaceAll(s, old, repl) },
		"trim":                   strings.TrimSpace,
		"trimAll":                func(cut, s string) string { return strings.Trim(s, cut) },
		"trimPrefix":             func(cut, s string) string { return strings.TrimPrefix(s, cut) },
		"trimSuffix":             func(cut, s string) string { return strings.TrimSuffix(s, cut) },
		"indent":                 func(n int, s string) (string, error) { return indent(n, s, most) },
		"nindent":                func(n int, s string) (string, error) { t, err := indent(n, s, most); return "\n" + t, err },
		"repeat":                 func(n int, s string) (string, error) { return repeat(n, s, most) },
		"alignLeft":              func(n int, s string) (string, error) { return alignLeft(n, s, most) },
		"alignRight":             func(n int, s string) (string, error) { return alignRight(n, s, most) },
		"default":                orDefault,
		"fromJson":               fromJSON,
		"b64enc":                 func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"b64dec":                 b64dec,
		"urlencode":              url.QueryEscape,
		"urldecode":              url.QueryUnescape,
		"bytes":                  func(s string) (float64, error) { n, err := syntax.ParseBytes(s); return float64(n), err },
		"regexReplaceAll":        re.replace,
		"regexReplaceAllLiteral": re.replaceLiteral,
		"count":                  re.count,
	}
	addMath(m)
	addTime(m)
	return m
}

// regexps keeps compiled expressions for the life of a query.
type regexps map[string]*regexp.Regexp

// maxRegexps bounds how many are kept where expressions come from data.
const maxRegexps = 100

func (c regexps) get(expr string) (*regexp.Regexp, error) {
	if re, ok := c[expr]; ok {
		return re, nil
	}
	re, err := regexp.Compile(expr)
	if err == nil && len(c) < maxRegexps {
		c[expr] = re
	}
	return re, err
}

func (c regexps) replace(expr, s, repl string) (string, error) {
	re, err := c.get(expr)
	if err != nil {
		return "", err
	}
	return re.ReplaceAllString(s, repl), nil
}

func (c regexps) replaceLiteral(expr, s, repl string) (string, error) {
	re, err := c.get(expr)
	if err != nil {
		return "", err
	}
	return re.ReplaceAllLiteralString(s, repl), nil
}

func (c regexps) count(expr, s string) (int, error) {
	re, err := c.get(expr)
	if err != nil {
		return 0, err
	}
	return len(re.FindAllStringIndex(s, -1)), nil
}

func title(s string) string {
	prev := ' '
	return strings.Map(func(r rune) rune {
		first := !unicode.IsLetter(prev) && !unicode.IsDigit(prev) && prev != '_' && prev != '\''
		prev = r
		if first {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}

// trunc cuts to the first n bytes, or to the last -n.
func trunc(n int, s string) string {
	switch {
	case n < 0 && len(s)+n > 0:
		return s[len(s)+n:]
	case n >= 0 && len(s) > n:
		return s[:n]
	}
	return s
}

func substr(start, end int, s string) (string, error) {
	if start < 0 {
		start = 0
	}
	if end < 0 || end > len(s) {
		end = len(s)
	}
	if start > end {
		return "", fmt.Errorf("substr: text of %d bytes has none from %d to %d", len(s), start, end)
	}
	return s[start:end], nil
}

func repeat(n int, s string, most int) (string, error) {
	if n <= 0 || s == "" {
		return "", nil
	}
	if n > most/len(s) {
		return "", errTemplateSize
	}
	return strings.Repeat(s, n), nil
}

func indent(n int, s string, most int) (string, error) {
	if n < 0 {
		return "", errors.New("indent by less than nothing")
	}
	if n > most/(strings.Count(s, "\n")+1) {
		return "", errTemplateSize
	}
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(s, "\n", "\n"+pad), nil
}

func alignLeft(n int, s string, most int) (string, error) {
	have := utf8.RuneCountInString(s)
	switch {
	case n < 0 || n == have:
		return s, nil
	case n > most:
		return "", errTemplateSize
	case n < have:
		return string([]rune(s)[:n]), nil
	}
	return s + strings.Repeat(" ", n-have), nil
}

func alignRight(n int, s string, most int) (string, error) {
	have := utf8.RuneCountInString(s)
	switch {
	case n < 0 || n == have:
		return s, nil
	case n > most:
		return "", errTemplateSize
	case n < have:
		return string([]rune(s)[have-n:]), nil
	}
	return strings.Repeat(" ", n-have) + s, nil
}

// orDefault returns d where the last value is missing or empty.
func orDefault(d any, given ...any) any {
	if len(given) == 0 || given[0] == nil || given[0] == "" || given[0] == 0 || given[0] == false {
		return d
	}
	return given[0]
}

// fromJSON returns nothing for text that is no JSON.
func fromJSON(s string) any {
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return nil
	}
	return v
}

func b64dec(s string) string {
	out, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return err.Error()
	}
	return string(out)
}
