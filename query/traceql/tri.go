package traceql

import (
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/telemetry"
)

// verdict is what a stream alone tells about a condition on its spans: that
// none can meet it, or that some may.
type verdict uint8

const (
	never verdict = iota
	possible
)

type triFunc func(*telemetry.Stream) verdict

// compileTri turns a condition into one on streams: never, where no span of
// the stream can meet it. Nil where streams tell nothing.
func compileTri(e syntax.Expr) triFunc {
	if onlyStream(e) {
		f := compile(e)
		return func(s *telemetry.Stream) verdict {
			v := view{span: &telemetry.Span{Stream: s}}
			if f(&v).IsTrue() {
				return possible
			}
			return never
		}
	}
	b, ok := e.(*syntax.Binary)
	if !ok || b.Op != syntax.OpAnd && b.Op != syntax.OpOr {
		return nil
	}
	l, r := compileTri(b.L), compileTri(b.R)
	if b.Op == syntax.OpAnd {
		switch {
		case l == nil:
			return r // r never: never; else undecided, which is not never
		case r == nil:
			return l
		}
		return func(s *telemetry.Stream) verdict { return min(l(s), r(s)) }
	}
	if l == nil || r == nil {
		return nil
	}
	return func(s *telemetry.Stream) verdict { return max(l(s), r(s)) }
}

// onlyStream reports whether e reads nothing but resource and instrumentation
// scope, and at least one thing of them.
func onlyStream(e syntax.Expr) bool {
	only, some := true, false
	syntax.Walk(e, func(a syntax.Attribute) {
		some = true
		switch {
		case a.Parent:
			only = false
		case a.Intrinsic == syntax.InstrumentationName, a.Intrinsic == syntax.InstrumentationVersion:
		case a.Intrinsic != syntax.NotIntrinsic:
			only = false
		default:
			only = only && (a.Scope == syntax.ScopeResource || a.Scope == syntax.ScopeInstrumentation)
		}
	})
	return only && some
}
