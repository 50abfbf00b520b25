// Package carried tells which correlation IDs spans carry whose attributes have a
// value. It imports correlation, telemetry and the language's syntax.
package carried

import (
	"encoding/base64"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/telemetry"
)

// ID returns a correlation ID that every span carries whose attribute a has
// the value, so that the store's ID index can find them; "" where there is
// none. What a span carries is asked of package correlation itself, for every
// place where the attribute may stand and every form that its value may have.
func ID(a syntax.Attribute, value string) string {
	if a.Intrinsic != syntax.NotIntrinsic || a.Parent || value == "" || value[0] == '{' {
		return "" // the text of a map looks like that, and a map may carry other IDs
	}
	forms := []telemetry.Value{telemetry.String(value), telemetry.Array([]telemetry.Value{telemetry.String(value)})}
	if raw, err := base64.StdEncoding.DecodeString(value); err == nil {
		forms = append(forms, telemetry.Bytes(string(raw)))
	}
	var common map[string]bool
	for _, v := range forms {
		for _, s := range spansWith(a, v) {
			carried := map[string]bool{}
			for _, id := range correlation.AppendSpan(nil, &s) {
				if common == nil || common[id.Value] {
					carried[id.Value] = true
				}
			}
			if common = carried; len(common) == 0 {
				return ""
			}
		}
	}
	best := ""
	for id := range common {
		if len(id) > len(best) || len(id) == len(best) && id < best {
			best = id
		}
	}
	return best
}

// spansWith returns spans that hold nothing but one attribute, one for each
// place where it may stand.
func spansWith(a syntax.Attribute, v telemetry.Value) []telemetry.Span {
	attrs := telemetry.Attrs{{Key: a.Name, Value: v}}
	none := telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{})
	ofResource := telemetry.Span{Stream: telemetry.NewStream(telemetry.Resource{Attrs: attrs}, telemetry.Scope{})}
	ofSpan := telemetry.Span{Stream: none, Attrs: attrs}
	switch a.Scope {
	case syntax.ScopeSpan:
		return []telemetry.Span{ofSpan}
	case syntax.ScopeAny:
		return []telemetry.Span{ofSpan, ofResource}
	case syntax.ScopeResource:
		return []telemetry.Span{ofResource}
	case syntax.ScopeEvent:
		return []telemetry.Span{{Stream: none, Events: []telemetry.Event{{Attrs: attrs}}}}
	case syntax.ScopeLink:
		return []telemetry.Span{{Stream: none, Links: []telemetry.Link{{Attrs: attrs}}}}
	}
	return []telemetry.Span{{Stream: telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{Attrs: attrs})}}
}
