package tempo

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
	"github.com/clewhq/clew/query/traceql/syntax"
)

type (
	tagsResponse struct {
		TagNames []string        `json:"tagNames"`
		Metrics  metadataMetrics `json:"metrics"`
	}
	tagsV2Response struct {
		Scopes  []tagScope      `json:"scopes"`
		Metrics metadataMetrics `json:"metrics"`
	}
	tagScope struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}
	tagValuesResponse struct {
		TagValues []string        `json:"tagValues"`
		Metrics   metadataMetrics `json:"metrics"`
	}
	tagValuesV2Response struct {
		TagValues []tagValue      `json:"tagValues"`
		Metrics   metadataMetrics `json:"metrics"`
	}
	tagValue struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	metadataMetrics struct {
		InspectedBytes uint64 `json:"inspectedBytes,string,omitempty"`
		TotalJobs      uint32 `json:"totalJobs,omitempty"`
		CompletedJobs  uint32 `json:"completedJobs,omitempty"`
		TotalBlocks    uint32 `json:"totalBlocks,omitempty"`
	}
)

func newMetadataMetrics(s *traceql.Stats, partial bool) metadataMetrics {
	m := metadataMetrics{InspectedBytes: uint64(s.InspectedBytes), TotalJobs: 1, CompletedJobs: 1, TotalBlocks: uint32(s.Blocks)}
	if partial {
		m.TotalJobs++
	}
	return m
}

// tagsRequest reads the parameters that names and values have in common.
func tagsRequest(r *http.Request) (traceql.TagsRequest, error) {
	q := r.URL.Query()
	req := traceql.TagsRequest{Tenant: tenant.From(r.Context()), Filter: traceql.ParseFilter(q.Get("q"))}
	var err error
	if req.From, req.To, err = secondsRange(q); err != nil {
		return req, err
	}
	limit, _, err := uintParam(q, "limit")
	req.Limit = int(limit)
	return req, err
}

// scopeOrder is the order of scopes in answers; intrinsics follow.
var scopeOrder = []syntax.Scope{syntax.ScopeResource, syntax.ScopeSpan, syntax.ScopeEvent, syntax.ScopeLink, syntax.ScopeInstrumentation}

const intrinsicScope = "intrinsic"

// wantedScope reads the scope parameter: "" and "none" are all scopes.
func wantedScope(s string) (string, error) {
	known := s == "" || s == intrinsicScope || slices.ContainsFunc(scopeOrder, func(x syntax.Scope) bool { return x.String() == s })
	switch {
	case s == "none":
		return "", nil
	case !known:
		return "", status.BadRequest("invalid scope: %q, expected resource, span, event, link, instrumentation or intrinsic", s)
	}
	return s, nil
}

// scopes lists the names of attributes by scope, the scopes without any left
// out.
func (a *API) scopes(ctx context.Context, scope string, req traceql.TagsRequest) ([]tagScope, *traceql.TagNames, error) {
	names := &traceql.TagNames{}
	if scope != intrinsicScope {
		var err error
		if names, err = a.Engine.TagNames(ctx, req); err != nil {
			return nil, nil, err
		}
	}
	out := []tagScope{}
	for _, s := range scopeOrder {
		if list := names.Scopes[s]; len(list) > 0 && (scope == "" || scope == s.String()) {
			out = append(out, tagScope{s.String(), list})
		}
	}
	if scope == "" || scope == intrinsicScope {
		out = append(out, tagScope{intrinsicScope, syntax.IntrinsicNames()})
	}
	return out, names, nil
}

func (a *API) tagsV2(w http.ResponseWriter, r *http.Request) error {
	req, err := tagsRequest(r)
	if err != nil {
		return err
	}
	out, warnings, err := a.tagNamesV2(r.Context(), r.URL.Query().Get("scope"), req)
	if err != nil {
		return err
	}
	setWarnings(w, warnings)
	return writeJSON(w, out)
}

func (a *API) tagNamesV2(ctx context.Context, scope string, req traceql.TagsRequest) (*tagsV2Response, []string, error) {
	scope, err := wantedScope(scope)
	if err != nil {
		return nil, nil, err
	}
	scopes, names, err := a.scopes(ctx, scope, req)
	if err != nil {
		return nil, nil, err
	}
	return &tagsV2Response{scopes, newMetadataMetrics(&names.Stats, len(names.Warnings) > 0)}, names.Warnings, nil
}

func (a *API) tags(w http.ResponseWriter, r *http.Request) error {
	req, err := tagsRequest(r)
	if err != nil {
		return err
	}
	out, warnings, err := a.tagNames(r.Context(), r.URL.Query().Get("scope"), req)
	if err != nil {
		return err
	}
	setWarnings(w, warnings)
	return writeJSON(w, out)
}

// tagNames is the first version: the names of all scopes in one list.
func (a *API) tagNames(ctx context.Context, scope string, req traceql.TagsRequest) (*tagsResponse, []string, error) {
	all, warnings, err := a.tagNamesV2(ctx, scope, req)
	if err != nil {
		return nil, nil, err
	}
	out := &tagsResponse{TagNames: []string{}, Metrics: all.Metrics}
	for _, s := range all.Scopes {
		if s.Name != intrinsicScope || scope == intrinsicScope {
			out.TagNames = append(out.TagNames, s.Tags...)
		}
	}
	slices.Sort(out.TagNames)
	out.TagNames = slices.Compact(out.TagNames)
	return out, warnings, nil
}

// tagOf reads the name of the tag out of the path, where a / may stand in it.
func tagOf(r *http.Request) (string, error) {
	name, ok := strings.CutSuffix(r.PathValue("rest"), "/values")
	if !ok || name == "" {
		return "", &status.Error{Code: http.StatusNotFound, Err: status.BadRequest("there is nothing at %s, expected .../search/tag/{tag}/values", r.URL.Path)}
	}
	return name, nil
}

func (a *API) tagValuesV2(w http.ResponseWriter, r *http.Request) error {
	name, err := tagOf(r)
	if err != nil {
		return err
	}
	req, err := tagsRequest(r)
	if err != nil {
		return err
	}
	out, warnings, err := a.valuesV2(r.Context(), name, req)
	if err != nil {
		return err
	}
	setWarnings(w, warnings)
	return writeJSON(w, out)
}

func (a *API) valuesV2(ctx context.Context, name string, req traceql.TagsRequest) (*tagValuesV2Response, []string, error) {
	attr, err := syntax.ParseAttribute(name)
	if err != nil {
		return nil, nil, status.BadRequest("please provide a valid tagName: %w", err)
	}
	values, err := a.Engine.TagValues(ctx, req, attr)
	if err != nil {
		return nil, nil, err
	}
	return &tagValuesV2Response{typedValues(values.Values), newMetadataMetrics(&values.Stats, len(values.Warnings) > 0)}, values.Warnings, nil
}

// typedValues names the type of each value; Grafana quotes by it.
func typedValues(values []syntax.Static) []tagValue {
	out := make([]tagValue, 0, len(values))
	for _, v := range values {
		kind := v.Type.String()
		if v.Type == syntax.TypeStatus || v.Type == syntax.TypeKind {
			kind = "keyword"
		}
		out = append(out, tagValue{kind, v.Text()})
	}
	return out
}

// plainTags are the names that the first version of the API gives intrinsics.
var plainTags = map[string]string{"root.name": "rootName", "root.service.name": "rootServiceName", "status.code": "status"}

func (a *API) tagValues(w http.ResponseWriter, r *http.Request) error {
	name, err := tagOf(r)
	if err != nil {
		return err
	}
	req, err := tagsRequest(r)
	if err != nil {
		return err
	}
	out, warnings, err := a.values(r.Context(), name, req)
	if err != nil {
		return err
	}
	setWarnings(w, warnings)
	return writeJSON(w, out)
}

// values is the first version: names without scopes, values without types.
func (a *API) values(ctx context.Context, name string, req traceql.TagsRequest) (*tagValuesResponse, []string, error) {
	attr, err := plainAttribute(name)
	if err != nil {
		return nil, nil, err
	}
	values, err := a.Engine.TagValues(ctx, req, attr)
	if err != nil {
		return nil, nil, err
	}
	out := &tagValuesResponse{TagValues: []string{}, Metrics: newMetadataMetrics(&values.Stats, len(values.Warnings) > 0)}
	for _, v := range values.Values {
		out.TagValues = append(out.TagValues, v.Text())
	}
	return out, values.Warnings, nil
}

// plainAttribute reads a tag without scope: an intrinsic, a scoped attribute,
// or the name of an attribute of spans and resources.
func plainAttribute(name string) (syntax.Attribute, error) {
	if plain, ok := plainTags[name]; ok {
		name = plain
	}
	if attr, err := syntax.ParseAttribute(name); err == nil {
		return attr, nil
	}
	if strings.ContainsAny(name, "\x00") {
		return syntax.Attribute{}, status.BadRequest("please provide a valid tagName, received %q", name)
	}
	return syntax.Attribute{Name: name}, nil
}
