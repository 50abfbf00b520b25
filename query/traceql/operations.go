package traceql

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Dependency is one service calling another.
type Dependency struct {
	Parent, Child string
	Calls, Errors int64
}

// Dependencies tells which services call which: the service map. From and to
// are Unix nanoseconds. The server injects it into the APIs that answer it.
type Dependencies interface {
	Dependencies(ctx context.Context, tenant string, from, to int64) ([]Dependency, error)
}

// Operation is a name that spans of a service have, with their kind.
type Operation struct {
	Name string
	Kind telemetry.SpanKind
}

// ServiceName is the name under which a stream's spans are found: its
// service.name, or OpenTelemetry's word for none.
func ServiceName(s *telemetry.Stream) string { return serviceName(s) }

// IsService is the condition that a span is of a service.
func IsService(name string) syntax.Expr {
	attr := syntax.Ref{Attr: syntax.Attribute{Scope: syntax.ScopeResource, Name: telemetry.AttrServiceName}}
	is := &syntax.Binary{Op: syntax.OpEq, L: attr, R: syntax.Literal{Value: syntax.String(name)}}
	if name != telemetry.UnknownService {
		return is
	}
	return or(is, &syntax.Unary{Op: syntax.OpMissing, X: attr})
}

// And is the condition that all of several hold; with none it always does.
func And(exprs ...syntax.Expr) syntax.Expr {
	var out syntax.Expr = always
	for _, e := range exprs {
		out = and(out, e)
	}
	return out
}

// Or is the condition that one of several holds.
func Or(first syntax.Expr, more ...syntax.Expr) syntax.Expr {
	for _, e := range more {
		first = or(first, e)
	}
	return first
}

// Compare is the condition a op v.
func Compare(a syntax.Attribute, op syntax.Op, v syntax.Static) syntax.Expr {
	return &syntax.Binary{Op: op, L: syntax.Ref{Attr: a}, R: syntax.Literal{Value: v}}
}

// TextEquals is the condition that a value of a is written as text: the string
// itself, or the number or boolean that it spells.
func TextEquals(a syntax.Attribute, text string) syntax.Expr {
	out := Compare(a, syntax.OpEq, syntax.String(text))
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		out = or(out, Compare(a, syntax.OpEq, syntax.Int(n)))
	} else if f, err := strconv.ParseFloat(text, 64); err == nil {
		out = or(out, Compare(a, syntax.OpEq, syntax.Float(f)))
	}
	if text == "true" || text == "false" {
		out = or(out, Compare(a, syntax.OpEq, syntax.Bool(text == "true")))
	}
	return out
}

// FilterQuery is the query { e }.
func FilterQuery(e syntax.Expr) *syntax.Query {
	return &syntax.Query{Pipeline: &syntax.Pipeline{Stages: []syntax.Stage{&syntax.Filter{Expr: e}}}}
}

// Services lists the services that have spans, sorted, and what is missing of
// the list.
func (e *Engine) Services(ctx context.Context, tenant string) ([]string, []string, error) {
	var stats storage.ReadStats
	infos, err := e.reader.Streams(ctx, tenant, telemetry.Traces, 0, 0, &stats)
	if err != nil {
		return nil, nil, err
	}
	out := []string{}
	for _, s := range infos {
		out = append(out, serviceName(s.Stream))
	}
	slices.Sort(out)
	return slices.Compact(out), stats.Warnings, nil
}

// Operations lists the operations of a service, or of all for "", sorted. Only
// the newest spans are looked at, as for the values of attributes.
func (e *Engine) Operations(ctx context.Context, tenant, service string) ([]Operation, []string, error) {
	ctx, r, cancel := e.begin(ctx, tenant, "operations", e.cfg.MaxTagSpans)
	defer cancel()
	defer r.end()
	req := TagsRequest{Tenant: tenant}
	if service != "" {
		req.Filter = FilterQuery(IsService(service))
	}
	seen := map[Operation]struct{}{}
	err := r.tagScan(ctx, &req, storage.ColSpan, false, func(v *view) bool {
		seen[Operation{v.span.Name, v.span.Kind}] = struct{}{}
		return len(seen) < e.cfg.MaxTagValues
	})
	if err != nil {
		return nil, nil, err
	}
	if len(seen) >= e.cfg.MaxTagValues {
		r.warn("the list may be incomplete: query.traceql.max_tag_values = %d operations", e.cfg.MaxTagValues)
	}
	out := make([]Operation, 0, len(seen))
	for op := range seen {
		out = append(out, op)
	}
	slices.SortFunc(out, func(a, b Operation) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	return out, r.warnings, nil
}
