package tempo

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-logfmt/logfmt"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
	"github.com/clewhq/clew/query/traceql/syntax"
)

func (a *API) search(w http.ResponseWriter, r *http.Request) error {
	req, err := a.searchRequest(r.URL.Query())
	if err != nil {
		return err
	}
	req.Tenant = tenant.From(r.Context())
	res, err := a.Engine.Search(r.Context(), *req)
	if err != nil {
		return err
	}
	if wantsExplain(r) {
		return writeJSON(w, explained{res.Explain, nonNil(res.Warnings), len(res.Traces)})
	}
	setWarnings(w, res.Warnings)
	return writeJSON(w, newSearchResponse(res.Traces, &res.Stats, len(res.Warnings) > 0))
}

func newSearchResponse(traces []traceql.TraceResult, stats *traceql.Stats, partial bool) *searchResponse {
	out := &searchResponse{Traces: make([]traceMetadata, 0, len(traces)), Metrics: newSearchMetrics(stats)}
	for i := range traces {
		out.Traces = append(out.Traces, newTraceMetadata(&traces[i]))
	}
	if partial { // the message has no better place: not all of the work was done
		out.Metrics.TotalJobs++
	}
	return out
}

// searchRequest reads the parameters of a search, TraceQL or tags.
func (a *API) searchRequest(q url.Values) (*traceql.SearchRequest, error) {
	req := &traceql.SearchRequest{Limit: a.Deps.Config.Limit, SpansPerSet: a.Deps.Config.SpansPerSet}
	var err error
	if req.From, req.To, err = secondsRange(q); err != nil {
		return nil, err
	}
	limit, ok, err := uintParam(q, "limit")
	switch {
	case err != nil:
		return nil, err
	case ok && limit == 0:
		return nil, status.BadRequest("invalid limit: must be a positive number")
	case ok:
		req.Limit = int(limit)
	}
	spss, ok, err := uintParam(q, "spss")
	if err != nil {
		return nil, err
	}
	if ok {
		req.SpansPerSet = int(spss)
	}
	if q.Get("q") != "" && q.Get("tags") != "" {
		return nil, status.BadRequest("invalid request: can't specify tags and q in the same query")
	}
	text := q.Get("q")
	if text == "" {
		if text, err = tagQuery(q); err != nil {
			return nil, err
		}
	}
	req.Query, err = searchQuery(text)
	return req, err
}

// searchQuery parses the query of a search.
func searchQuery(text string) (*syntax.Query, error) {
	parsed, err := syntax.Parse(text)
	if err != nil {
		return nil, invalidQuery(err)
	}
	if parsed.Pipeline == nil {
		return nil, status.BadRequest("invalid TraceQL query: %w", traceql.ErrNoSearch)
	}
	return parsed, nil
}

// reserved parameters are no tags in the oldest form of a search, in which
// every parameter is one.
var reserved = []string{"q", "tags", "minDuration", "maxDuration", "limit", "spss", "start", "end"}

// tagQuery writes the TraceQL query that the old form of a search means: each
// tag on some span of the trace, its value contained in any case, and bounds
// on the duration of the trace.
func tagQuery(q url.Values) (string, error) {
	tags, err := requestTags(q)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, t := range tags {
		parts = append(parts, "{ "+tagCondition(t[0], t[1])+" }")
	}
	bounds := map[string]time.Duration{}
	for name, op := range map[string]string{"minDuration": ">=", "maxDuration": "<="} {
		s := q.Get(name)
		if s == "" {
			continue
		}
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return "", status.BadRequest("invalid %s: %q, expected a duration such as 100ms", name, s)
		}
		bounds[name] = d
		parts = append(parts, fmt.Sprintf("{ traceDuration %s %dns }", op, d.Nanoseconds()))
	}
	if hi, ok := bounds["maxDuration"]; ok && bounds["minDuration"] > hi {
		return "", status.BadRequest("invalid maxDuration: must be greater than minDuration")
	}
	if len(parts) == 0 {
		return "{ }", nil
	}
	slices.Sort(parts)
	return strings.Join(parts, " && "), nil
}

func requestTags(q url.Values) ([][2]string, error) {
	var out [][2]string
	seen := map[string]bool{}
	if encoded := q.Get("tags"); encoded != "" {
		dec := logfmt.NewDecoder(strings.NewReader(encoded))
		for dec.ScanRecord() {
			for dec.ScanKeyval() {
				key := string(dec.Key())
				if seen[key] {
					return nil, status.BadRequest("invalid tags: tag %s has been set twice", key)
				}
				seen[key] = true
				out = append(out, [2]string{key, string(dec.Value())})
			}
		}
		if err := dec.Err(); err != nil {
			return nil, status.BadRequest("invalid tags: %w, expected logfmt such as service.name=api http.method=GET", err)
		}
		return out, nil
	}
	if q.Has("start") || q.Has("end") {
		return nil, nil
	}
	for key, values := range q {
		if !slices.Contains(reserved, key) && len(values) > 0 && values[0] != "" {
			out = append(out, [2]string{key, values[0]})
		}
	}
	return out, nil
}

// tagCondition is one tag as a condition on a span.
func tagCondition(key, value string) string {
	contains := "=~ " + strconv.Quote("(?i).*"+regexp.QuoteMeta(value)+".*")
	switch key {
	case "name":
		return "name " + contains
	case "root.name":
		return "rootName " + contains
	case "root.service.name":
		return "rootServiceName " + contains
	case "error":
		if value == "true" {
			return "status = error"
		}
	case "status.code":
		if value == "ok" || value == "error" || value == "unset" {
			return "status = " + value
		}
	}
	attr := syntax.Attribute{Name: key}.String()
	cond := attr + " " + contains
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
		cond += " || " + attr + " = " + value
	} else if value == "true" || value == "false" {
		cond += " || " + attr + " = " + value
	}
	return cond
}
