package loki

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/pipeline"
	"github.com/clewhq/clew/query/logql/syntax"
)

// idValue is what a label full of IDs has for values; such labels are of no
// use to choose from.
var idValue = regexp.MustCompile(`^([0-9]+|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})$`)

// alwaysDetected are labels that are shown whatever their values are.
var alwaysDetected = []string{"cluster", "namespace", "instance", "pod", "service_name"}

func (a *API) detectedLabels(w http.ResponseWriter, r *http.Request) {
	streams, warnings, err := a.selected(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	values := map[string]map[string]struct{}{}
	for _, s := range streams {
		for _, l := range s.view.Labels {
			if values[l.Name] == nil {
				values[l.Name] = map[string]struct{}{}
			}
			values[l.Name][l.Value] = struct{}{}
		}
	}
	type detected struct {
		Label       string `json:"label"`
		Cardinality int    `json:"cardinality"`
	}
	out := []detected{}
	for name, set := range values {
		if slices.Contains(alwaysDetected, name) || !onlyIDs(set) {
			out = append(out, detected{name, len(set)})
		}
	}
	slices.SortFunc(out, func(x, y detected) int { return strings.Compare(x.Label, y.Label) })
	warn(w, warnings)
	writeJSON(w, map[string]any{"detectedLabels": out})
}

func onlyIDs(set map[string]struct{}) bool {
	for v := range set {
		if !idValue.MatchString(v) {
			return false
		}
	}
	return true
}

// field is what was seen of a detected field.
type field struct {
	label   string
	kind    string
	parsers []string
	path    []string
	values  map[string]struct{}
}

// fieldFinder collects the fields of lines.
type fieldFinder struct {
	fields map[string]*field
	named  []string // parsers of the query itself
}

// see notes a value of a field; parser is "" for structured metadata.
func (f *fieldFinder) see(label, value, parser string, path []string) {
	d, ok := f.fields[label]
	if !ok {
		d = &field{label: label, kind: kindOf(value), values: map[string]struct{}{}}
		f.fields[label] = d
	}
	if parser != "" && !slices.Contains(d.parsers, parser) {
		d.parsers = append(d.parsers, parser)
		slices.Sort(d.parsers)
	}
	if len(d.path) == 0 {
		d.path = path
	}
	d.values[value] = struct{}{}
}

// row notes the fields of a line: its structured metadata, what can be parsed
// from its text, and what only the query's own parsers found.
func (f *fieldFinder) row(row logql.Row) {
	isStream := map[string]bool{}
	for _, l := range row.Labels {
		isStream[l.Name] = l.Category == pipeline.FromStream
		if l.Category == pipeline.FromMeta {
			f.see(l.Name, l.Value, "", nil)
		}
	}
	seen := map[string]bool{}
	parser, pairs := pipeline.Detect(row.Line)
	for _, p := range pairs {
		name := p.Name
		if stream, ok := isStream[name]; ok && stream {
			name += "_extracted"
		}
		seen[name] = true
		f.see(name, p.Value, parser, p.Path)
	}
	for _, l := range row.Labels {
		if l.Category != pipeline.FromParser || seen[l.Name] || strings.HasPrefix(l.Name, "__error") {
			continue
		}
		for _, named := range f.named {
			f.see(l.Name, l.Value, named, nil)
		}
	}
}

// kindOf tells the type of a value as Logs Drilldown names types.
func kindOf(v string) string {
	if _, err := strconv.ParseInt(v, 10, 64); err == nil {
		return "int"
	}
	if _, err := strconv.ParseFloat(v, 64); err == nil {
		return "float"
	}
	if v == "true" || v == "false" {
		return "boolean"
	}
	if _, err := time.ParseDuration(v); err == nil {
		return "duration"
	}
	if _, err := syntax.ParseBytes(v); err == nil {
		return "bytes"
	}
	return "string"
}

// find runs the query of a request and collects the fields of its lines.
func (a *API) find(r *http.Request) (*fieldFinder, int, error) {
	text, err := requiredQuery(r)
	if err != nil {
		return nil, 0, err
	}
	limit, err := countParam(r, "limit", a.cfg.DetectLines)
	if err != nil {
		return nil, 0, err
	}
	p := logql.Params{Direction: logql.Backward}
	if p.Limit, err = countParam(r, "line_limit", a.cfg.DetectLines); err != nil {
		return nil, 0, err
	}
	p.Limit = min(p.Limit, a.engine.Config().MaxEntries)
	if p.Start, p.End, err = a.rangeParams(r, a.cfg.DefaultRange); err != nil {
		return nil, 0, err
	}
	expr, err := a.engine.Parse(text)
	if err != nil {
		return nil, 0, err
	}
	log, ok := expr.(*syntax.LogExpr)
	if !ok {
		return nil, 0, &paramError{"query", text, "a log query, not a metric query"}
	}
	res, err := a.engine.Eval(r.Context(), tenant.From(r.Context()), log, p)
	if err != nil {
		return nil, 0, err
	}
	f := &fieldFinder{fields: map[string]*field{}, named: parsersOf(log)}
	for _, row := range res.Rows {
		f.row(row)
	}
	return f, limit, nil
}

// parsersOf names the parsers of a query.
func parsersOf(e *syntax.LogExpr) []string {
	var out []string
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, s := range e.Stages {
		switch s.(type) {
		case *syntax.JSON, *syntax.Unpack:
			add("json")
		case *syntax.Logfmt:
			add("logfmt")
		case *syntax.Pattern:
			add("pattern")
		case *syntax.Regexp:
			add("regexp")
		}
	}
	if len(out) == 0 {
		return []string{"label_format"}
	}
	return out
}

func (a *API) detectedFields(w http.ResponseWriter, r *http.Request) {
	f, limit, err := a.find(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	type detected struct {
		Label       string   `json:"label"`
		Type        string   `json:"type"`
		Cardinality int      `json:"cardinality"`
		Parsers     []string `json:"parsers"`
		Path        []string `json:"jsonPath,omitempty"`
	}
	out := []detected{}
	for _, d := range f.fields {
		out = append(out, detected{d.label, d.kind, len(d.values), d.parsers, d.path})
	}
	slices.SortFunc(out, func(x, y detected) int { return strings.Compare(x.Label, y.Label) })
	if len(out) > limit {
		out = out[:limit]
	}
	writeJSON(w, map[string]any{"fields": out, "limit": limit})
}

func (a *API) detectedFieldValues(w http.ResponseWriter, r *http.Request) {
	f, limit, err := a.find(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	values := []string{}
	if d, ok := f.fields[r.PathValue("name")]; ok {
		for v := range d.values {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	if len(values) > limit {
		values = values[:limit]
	}
	writeJSON(w, map[string]any{"values": values, "limit": limit})
}
