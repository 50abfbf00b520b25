package loki

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/syntax"
)

// patternBytes is how much of a line counts for its pattern.
const patternBytes = 1024

// patternOf returns the constant text of a line: every word with a digit in
// it is a variable, of key=value only the value. It can be used in |> as it is.
func patternOf(line string) string {
	cut := len(line) > patternBytes
	if cut {
		line = line[:patternBytes]
	}
	words := strings.Split(line, " ")
	for i, w := range words {
		if !strings.ContainsAny(w, "0123456789") {
			continue
		}
		key, value, ok := strings.Cut(w, "=")
		if ok && key != "" && value != "" && !strings.ContainsAny(key, "0123456789") {
			words[i] = key + "=<_>"
		} else {
			words[i] = "<_>"
		}
	}
	p := strings.Join(words, " ")
	if cut && !strings.HasSuffix(p, "<_>") {
		p += "<_>"
	}
	return p
}

// pattern is a pattern of one level and its counts by step.
type pattern struct {
	text, level string
	total       int64
	counts      map[int64]int64
}

// patterns counts lines by their constant text.
func (a *API) patterns(w http.ResponseWriter, r *http.Request) {
	text, err := requiredQuery(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	expr, err := a.engine.Parse(text)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	log, ok := expr.(*syntax.LogExpr)
	if !ok {
		a.fail(w, r, &paramError{"query", text, "a log query, not a metric query"})
		return
	}
	start, end, err := a.rangeParams(r, a.cfg.DefaultRange)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	step, err := stepParam(r, start, end)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	type key struct{ text, level string }
	found := map[key]*pattern{}
	left := int64(0)
	_, err = a.engine.Lines(r.Context(), tenant.From(r.Context()), log, start, end, func(l logql.Line) bool {
		k := key{patternOf(l.Text), l.Level}
		p, ok := found[k]
		if !ok {
			if len(found) >= a.cfg.MaxPatterns {
				left++
				return true
			}
			p = &pattern{text: k.text, level: k.level, counts: map[int64]int64{}}
			found[k] = p
		}
		p.total++
		p.counts[(l.Time-l.Time%int64(step))/1e9]++
		return true
	})
	if err != nil {
		a.fail(w, r, err)
		return
	}
	list := make([]*pattern, 0, len(found))
	for _, p := range found {
		list = append(list, p)
	}
	a.writePatterns(w, list, left)
}

func (a *API) writePatterns(w http.ResponseWriter, list []*pattern, left int64) {
	slices.SortFunc(list, func(x, y *pattern) int {
		return cmp.Or(cmp.Compare(y.total, x.total), strings.Compare(x.text, y.text), strings.Compare(x.level, y.level))
	})
	data := []any{}
	for _, p := range list[:min(len(list), a.cfg.PatternsReturned)] {
		samples := make([][2]int64, 0, len(p.counts))
		for t, n := range p.counts {
			samples = append(samples, [2]int64{t, n})
		}
		slices.SortFunc(samples, func(x, y [2]int64) int { return cmp.Compare(x[0], y[0]) })
		data = append(data, map[string]any{"pattern": p.text, "level": p.level, "samples": samples})
	}
	body := map[string]any{"status": "success", "data": data}
	if left > 0 {
		body["warnings"] = []string{fmt.Sprintf("%d lines are not counted: there are more than %d patterns (max_patterns)", left, a.cfg.MaxPatterns)}
	}
	writeJSON(w, body)
}
