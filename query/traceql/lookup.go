package traceql

import (
	"time"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/telemetry"
)

// view is a span as an expression sees it. trace is nil where only the span is
// at hand, and index is its place in the trace.
type view struct {
	span  *telemetry.Span
	trace *Trace
	index int32
}

// toStatic turns an attribute's value into a value of the language. Bytes and
// maps, which the language has no type for, become their text.
func toStatic(v telemetry.Value) syntax.Static {
	switch v.Kind() {
	case telemetry.KindEmpty:
		return syntax.Nil
	case telemetry.KindString:
		return syntax.String(v.Str())
	case telemetry.KindBool:
		return syntax.Bool(v.Bool())
	case telemetry.KindInt:
		return syntax.Int(v.Int())
	case telemetry.KindDouble:
		return syntax.Float(v.Double())
	case telemetry.KindArray:
		list := make([]syntax.Static, 0, len(v.List()))
		for _, e := range v.List() {
			list = append(list, toStatic(e))
		}
		return syntax.Array(list)
	}
	return syntax.String(v.Text())
}

func attrOf(attrs telemetry.Attrs, name string) syntax.Static {
	v, _ := attrs.Get(name)
	return toStatic(v)
}

// first returns the value of an attribute, the first one where a span holds
// several, Nil where it holds none. Every span of a query comes through here,
// so the common places are looked at without the detour of each.
func (v *view) first(a syntax.Attribute) syntax.Static {
	if !a.Parent {
		switch {
		case a.Intrinsic == syntax.NotIntrinsic && a.Scope == syntax.ScopeSpan:
			return attrOf(v.span.Attrs, a.Name)
		case a.Intrinsic == syntax.NotIntrinsic && a.Scope == syntax.ScopeResource:
			return attrOf(v.span.Stream.Resource.Attrs, a.Name)
		case a.Intrinsic != syntax.NotIntrinsic && !a.Multi():
			return v.intrinsic(a.Intrinsic)
		}
	}
	out := syntax.Nil
	v.each(a, func(s syntax.Static) bool {
		out = s
		return false
	})
	return out
}

// each calls yield with every value that the span has for an attribute, until
// yield returns false. Values that are not there are not yielded.
func (v *view) each(a syntax.Attribute, yield func(syntax.Static) bool) {
	if a.Parent {
		if p, ok := v.parent(); ok {
			a.Parent = false
			p.each(a, yield)
		}
		return
	}
	if a.Intrinsic != syntax.NotIntrinsic {
		v.eachIntrinsic(a.Intrinsic, yield)
		return
	}
	give := func(attrs telemetry.Attrs) bool {
		s := attrOf(attrs, a.Name)
		return s.IsNil() || yield(s)
	}
	switch a.Scope {
	case syntax.ScopeSpan:
		give(v.span.Attrs)
	case syntax.ScopeResource:
		give(v.span.Stream.Resource.Attrs)
	case syntax.ScopeInstrumentation:
		give(v.span.Stream.Scope.Attrs)
	case syntax.ScopeEvent:
		for i := range v.span.Events {
			if !give(v.span.Events[i].Attrs) {
				return
			}
		}
	case syntax.ScopeLink:
		for i := range v.span.Links {
			if !give(v.span.Links[i].Attrs) {
				return
			}
		}
	default:
		if give(v.span.Attrs) {
			give(v.span.Stream.Resource.Attrs)
		}
	}
}

func (v *view) parent() (view, bool) {
	if v.trace == nil {
		return view{}, false
	}
	p := v.trace.nodes[v.index].parent
	if p == none {
		return view{}, false
	}
	return view{span: v.trace.Spans[p], trace: v.trace, index: p}, true
}

func (v *view) eachIntrinsic(i syntax.Intrinsic, yield func(syntax.Static) bool) {
	switch i {
	case syntax.EventName:
		for k := range v.span.Events {
			if !yield(syntax.String(v.span.Events[k].Name)) {
				return
			}
		}
	case syntax.EventTimeSinceStart:
		for k := range v.span.Events {
			if !yield(syntax.Duration(time.Duration(v.span.Events[k].Time - v.span.Start))) {
				return
			}
		}
	case syntax.LinkTraceID:
		for k := range v.span.Links {
			if !yield(syntax.String(v.span.Links[k].TraceID.String())) {
				return
			}
		}
	case syntax.LinkSpanID:
		for k := range v.span.Links {
			if !yield(syntax.String(v.span.Links[k].SpanID.String())) {
				return
			}
		}
	default:
		if s := v.intrinsic(i); !s.IsNil() {
			yield(s)
		}
	}
}

// intrinsic returns an intrinsic that a span has once.
func (v *view) intrinsic(i syntax.Intrinsic) syntax.Static {
	s := v.span
	switch i {
	case syntax.SpanDuration:
		return syntax.Duration(s.Duration())
	case syntax.Name:
		return syntax.String(s.Name)
	case syntax.StatusCode:
		return syntax.Status(uint8(s.Status))
	case syntax.StatusMessage:
		return syntax.String(s.StatusMessage)
	case syntax.SpanKind:
		return syntax.Kind(uint8(s.Kind))
	case syntax.SpanID:
		return syntax.String(s.SpanID.String())
	case syntax.ParentID:
		return syntax.String(s.ParentID.String())
	case syntax.ParentSpan:
		if s.ParentID.IsZero() {
			return syntax.Static{}
		}
		return syntax.String(s.ParentID.String())
	case syntax.TraceID:
		return syntax.String(s.TraceID.String())
	case syntax.InstrumentationName:
		return syntax.String(s.Stream.Scope.Name)
	case syntax.InstrumentationVersion:
		return syntax.String(s.Stream.Scope.Version)
	}
	if v.trace == nil {
		return v.lonely(i)
	}
	return v.treeIntrinsic(i)
}

// lonely answers for a span without its trace what can be told all the same:
// whether it is a root, and the root of a trace where it is one. The plan lets
// no other questions come here.
func (v *view) lonely(i syntax.Intrinsic) syntax.Static {
	root := v.span.ParentID.IsZero()
	switch {
	case i == syntax.NestedSetParent && root:
		return syntax.Int(int64(rootParent))
	case i == syntax.NestedSetParent:
		return syntax.Int(0)
	case i == syntax.RootName && root:
		return syntax.String(v.span.Name)
	case i == syntax.RootServiceName && root:
		return syntax.String(serviceName(v.span.Stream))
	}
	return syntax.Nil
}

func (v *view) treeIntrinsic(i syntax.Intrinsic) syntax.Static {
	n := v.trace.nodes[v.index]
	switch i {
	case syntax.ChildCount:
		return syntax.Int(int64(n.children))
	case syntax.NestedSetLeft:
		return syntax.Int(int64(n.left))
	case syntax.NestedSetRight:
		return syntax.Int(int64(n.right))
	case syntax.NestedSetParent:
		return syntax.Int(int64(n.nested))
	case syntax.TraceDuration:
		return syntax.Duration(time.Duration(v.trace.Duration()))
	case syntax.RootName:
		if v.trace.Root != none {
			return syntax.String(v.trace.Spans[v.trace.Root].Name)
		}
	case syntax.RootServiceName:
		if v.trace.Root != none {
			return syntax.String(serviceName(v.trace.Spans[v.trace.Root].Stream))
		}
	}
	return syntax.Nil
}

// serviceName is a resource's service.name, or OpenTelemetry's word for none.
func serviceName(s *telemetry.Stream) string {
	if name := s.Resource.Attrs.Text(telemetry.AttrServiceName); name != "" {
		return name
	}
	return telemetry.UnknownService
}
