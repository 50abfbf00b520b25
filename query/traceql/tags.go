package traceql

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// TagsRequest asks for the names, or the values, of attributes.
type TagsRequest struct {
	Tenant string
	// From and To bound the starts of spans in Unix nanoseconds, a zero To is
	// no bound.
	From, To int64
	// Filter, if set, looks at spans only that may meet it.
	Filter *syntax.Query
	// Limit bounds the names of each scope, or the values; 0 for the engine's
	// own limit.
	Limit int
}

// TagNames are the names of attributes in use, by scope, sorted.
type TagNames struct {
	Scopes   map[syntax.Scope][]string
	Stats    Stats
	Warnings []string
}

// TagValues are the values of one attribute, sorted.
type TagValues struct {
	Values   []syntax.Static
	Stats    Stats
	Warnings []string
}

// ParseFilter reads the filter of a request for names or values as leniently
// as Tempo does, since editors send it while it is being typed: conditions
// that do not parse are left out. Nil where nothing is left.
func ParseFilter(q string) *syntax.Query {
	if strings.TrimSpace(q) == "" {
		return nil
	}
	parsed, err := syntax.Parse(q)
	if err == nil {
		if parsed.Pipeline == nil {
			return nil
		}
		return parsed
	}
	body := strings.TrimSpace(q)
	body = strings.TrimSuffix(strings.TrimPrefix(body, "{"), "}")
	var need syntax.Expr = always
	for _, part := range splitConditions(body) {
		p, err := syntax.Parse("{" + part + "}")
		if err != nil || p.Pipeline == nil {
			continue
		}
		if f, ok := p.Pipeline.Stages[0].(*syntax.Filter); ok && len(p.Pipeline.Stages) == 1 {
			need = and(need, f.Expr)
		}
	}
	if isAlways(need) {
		return nil
	}
	return &syntax.Query{Pipeline: &syntax.Pipeline{Stages: []syntax.Stage{&syntax.Filter{Expr: need}}}}
}

// splitConditions cuts at every && that stands outside of strings.
func splitConditions(s string) []string {
	var out []string
	start := 0
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == '\\' && quote == '"':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '`'):
			quote = c
		case quote == 0 && strings.HasPrefix(s[i:], "&&"):
			out = append(out, s[start:i])
			start = i + 2
			i++
		}
	}
	return append(out, s[start:])
}

// tagScan walks the spans of a request, newest parts of the store first. Where
// the filter looks at more than single spans, or whole is set, it reads traces.
func (r *run) tagScan(ctx context.Context, req *TagsRequest, cols storage.Columns, whole bool, visit func(v *view) bool) error {
	p := plan{columns: cols, exact: true}
	if req.Filter != nil {
		p = planPipeline(req.Filter.Pipeline)
		p.columns |= cols
	}
	var err error
	if whole || !p.exact {
		err = r.tagTraces(ctx, req, &p, visit)
	} else {
		v := view{}
		err = r.scan(ctx, p.query(r.tenant, req.From, req.To), "scan", func(s *telemetry.Span) bool {
			v.span = s
			return p.match != nil && !p.match(&v).IsTrue() || visit(&v)
		})
	}
	if errors.Is(err, errBudget) {
		r.warn("the list may be incomplete: query.traceql.max_tag_spans = %d spans were looked at, ask for a shorter time range", r.budget)
		return nil
	}
	return err
}

// errEnough ends the reading of traces whose values nobody needs any more.
var errEnough = errors.New("enough values")

// tagTraces walks the spans that the filter leaves of whole traces, and of them
// those that start in the request's range.
func (r *run) tagTraces(ctx context.Context, req *TagsRequest, p *plan, visit func(v *view) bool) error {
	cols := p.columns
	eval := func(t *Trace, in []spanset) ([]spanset, error) { return in, nil }
	if req.Filter == nil {
		p.match = func(*view) syntax.Static { return yes }
	} else {
		eval = compilePipeline(req.Filter.Pipeline)
		cols |= shownBy(req.Filter.Pipeline).columns
	}
	cs, err := r.candidates(ctx, p, req.From, req.To, nil)
	if err != nil && len(cs) == 0 {
		return err
	}
	terr := r.wholeTraces(ctx, cs, cols, func(t *Trace) error {
		sets, err := eval(t, t.whole())
		if err != nil {
			return &QueryError{err}
		}
		v := view{trace: t}
		for _, i := range flatten(sets) {
			v.span, v.index = t.Spans[i], i
			if v.span.Start < req.From || req.To > 0 && v.span.Start >= req.To {
				continue
			}
			if !visit(&v) {
				return errEnough
			}
		}
		return nil
	})
	switch {
	case errors.Is(terr, errEnough):
		return nil
	case terr != nil:
		return terr
	}
	return err
}

// TagNames lists the names of attributes.
func (e *Engine) TagNames(ctx context.Context, req TagsRequest) (*TagNames, error) {
	ctx, r, cancel := e.begin(ctx, req.Tenant, "tags", e.cfg.MaxTagSpans)
	defer cancel()
	defer r.end()
	names := nameSets{limit: e.cfg.MaxTagValues, sets: map[syntax.Scope]map[string]struct{}{}}
	streams := map[*telemetry.Stream]struct{}{}
	err := r.tagScan(ctx, &req, storage.ColAttrs|storage.ColEvents|storage.ColSpan, false, func(v *view) bool {
		if _, seen := streams[v.span.Stream]; !seen {
			streams[v.span.Stream] = struct{}{}
			names.add(syntax.ScopeResource, v.span.Stream.Resource.Attrs)
			names.add(syntax.ScopeInstrumentation, v.span.Stream.Scope.Attrs)
		}
		names.add(syntax.ScopeSpan, v.span.Attrs)
		for i := range v.span.Events {
			names.add(syntax.ScopeEvent, v.span.Events[i].Attrs)
		}
		for i := range v.span.Links {
			names.add(syntax.ScopeLink, v.span.Links[i].Attrs)
		}
		return true
	})
	if err == nil && req.Filter == nil {
		err = r.streamNames(ctx, &req, &names)
	}
	if err != nil {
		return nil, err
	}
	scopes := names.sorted()
	limit := e.tagLimit(req.Limit)
	for scope, list := range scopes {
		// Cut when all are known: which are met first is the store's.
		scopes[scope], names.cut = list[:min(len(list), limit)], names.cut || len(list) > limit
	}
	if names.cut {
		r.warn("the list is incomplete: more than %d names in one scope", limit)
	}
	return &TagNames{Scopes: scopes, Stats: r.stats, Warnings: r.warnings}, nil
}

// streamNames adds the names of resources whose spans the scan did not reach.
func (r *run) streamNames(ctx context.Context, req *TagsRequest, names *nameSets) error {
	streams, err := r.streamsWithin(ctx, req.From, req.To)
	for _, s := range streams {
		names.add(syntax.ScopeResource, s.Resource.Attrs)
		names.add(syntax.ScopeInstrumentation, s.Scope.Attrs)
	}
	return err
}

func (e *Engine) tagLimit(asked int) int {
	if asked <= 0 {
		return e.cfg.MaxTagValues
	}
	return min(asked, e.cfg.MaxTagValues)
}

// nameSets collects names by scope, up to a limit each.
type nameSets struct {
	limit int
	cut   bool
	sets  map[syntax.Scope]map[string]struct{}
}

func (n *nameSets) add(scope syntax.Scope, attrs telemetry.Attrs) {
	if len(attrs) == 0 {
		return
	}
	set := n.sets[scope]
	if set == nil {
		set = map[string]struct{}{}
		n.sets[scope] = set
	}
	for _, a := range attrs {
		if _, ok := set[a.Key]; ok {
			continue
		}
		if len(set) >= n.limit {
			n.cut = true
			continue
		}
		set[strings.Clone(a.Key)] = struct{}{}
	}
}

func (n *nameSets) sorted() map[syntax.Scope][]string {
	out := make(map[syntax.Scope][]string, len(n.sets))
	for scope, set := range n.sets {
		list := make([]string, 0, len(set))
		for k := range set {
			list = append(list, k)
		}
		slices.Sort(list)
		out[scope] = list
	}
	return out
}

// TagValues lists the values of an attribute.
func (e *Engine) TagValues(ctx context.Context, req TagsRequest, a syntax.Attribute) (*TagValues, error) {
	ctx, r, cancel := e.begin(ctx, req.Tenant, "tag_values", e.cfg.MaxTagSpans)
	defer cancel()
	defer r.end()
	set := valueSet{limit: e.cfg.MaxTagValues, values: map[string]syntax.Static{}}
	var err error
	switch {
	case set.fixed(a):
	case a.Scope == syntax.ScopeResource && onlyStreams(req.Filter):
		err = r.streamValues(ctx, &req, a, &set)
	case req.Filter == nil && (a.Is(syntax.RootName) || a.Is(syntax.RootServiceName)):
		err = r.rootValues(ctx, &req, a, &set)
	default:
		err = r.tagScan(ctx, &req, columnOf(a)|storage.ColSpan, needsTrace(a), func(v *view) bool {
			v.each(a, set.add)
			return !set.cut
		})
	}
	if err != nil {
		return nil, err
	}
	list, limit := set.sorted(), e.tagLimit(req.Limit)
	if set.cut || len(list) > limit {
		r.warn("the list is incomplete: more than %d values", limit)
	}
	return &TagValues{Values: list[:min(len(list), limit)], Stats: r.stats, Warnings: r.warnings}, nil
}

// onlyStreams reports whether streams alone decide a filter.
func onlyStreams(q *syntax.Query) bool {
	if q == nil {
		return true
	}
	need, exact := needOfPipeline(q.Pipeline)
	return exact && (isAlways(need) || onlyStream(need))
}

func (r *run) streamValues(ctx context.Context, req *TagsRequest, a syntax.Attribute, set *valueSet) error {
	match := func(*view) syntax.Static { return yes }
	if req.Filter != nil {
		match = planPipeline(req.Filter.Pipeline).match
	}
	streams, err := r.streamsWithin(ctx, req.From, req.To)
	for _, s := range streams {
		v := view{span: &telemetry.Span{Stream: s}}
		if match(&v).IsTrue() {
			v.each(a, set.add)
		}
	}
	return err
}

// rootValues lists names or services of root spans.
func (r *run) rootValues(ctx context.Context, req *TagsRequest, a syntax.Attribute, set *valueSet) error {
	return r.tagScan(ctx, req, storage.ColSpan, false, func(v *view) bool {
		if !v.span.ParentID.IsZero() {
			return true
		}
		if a.Is(syntax.RootName) {
			set.add(syntax.String(v.span.Name))
		} else {
			set.add(syntax.String(serviceName(v.span.Stream)))
		}
		return !set.cut
	})
}

// valueSet collects different values up to a limit.
type valueSet struct {
	limit  int
	cut    bool
	values map[string]syntax.Static
}

// fixed fills in the values of intrinsics that are the same for everybody, or
// that nobody would pick from a list.
func (s *valueSet) fixed(a syntax.Attribute) bool {
	switch a.Intrinsic {
	case syntax.StatusCode:
		for c := telemetry.StatusUnset; c <= telemetry.StatusError; c++ {
			s.add(syntax.Status(uint8(c)))
		}
	case syntax.SpanKind:
		for k := telemetry.SpanKindUnspecified; k <= telemetry.SpanKindConsumer; k++ {
			s.add(syntax.Kind(uint8(k)))
		}
	case syntax.SpanDuration, syntax.TraceDuration, syntax.EventTimeSinceStart:
	default:
		return false
	}
	return true
}

func (s *valueSet) add(v syntax.Static) bool {
	if v.Type == syntax.TypeArray {
		for _, e := range v.List() {
			s.add(e)
		}
		return true
	}
	if v.IsNil() || v.Type == syntax.TypeString && v.Str() == "" {
		return true
	}
	key := v.Key()
	if _, ok := s.values[key]; ok {
		return true
	}
	if len(s.values) >= s.limit {
		s.cut = true
		return false
	}
	s.values[key] = v
	return true
}

func (s *valueSet) sorted() []syntax.Static {
	out := make([]syntax.Static, 0, len(s.values))
	for _, v := range s.values {
		out = append(out, v)
	}
	slices.SortFunc(out, compareStatics)
	return out
}
