package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// missing tells what the story should hold and does not, at most most of it.
func (g *gather) missing(traces []*traceSpans, most int) []Missing {
	out := []Missing{}
	traced := map[string]bool{}
	for _, t := range traces {
		out = append(out, t.missingParents()...)
		for _, s := range t.spans {
			traced[service(s.Stream)] = true
		}
	}
	for _, t := range traces {
		out = append(out, t.missingServers(traced)...)
	}
	silent := map[string]int{}
	for i := range g.logs {
		if name := service(g.logs[i].Stream); !traced[name] {
			silent[name]++
		}
	}
	if len(traces) > 0 {
		for name, n := range silent {
			out = append(out, Missing{What: MissingSpans, Service: name, Text: fmt.Sprintf("%s wrote %d of the story's log records and has no span in it", name, n)})
		}
	}
	slices.SortStableFunc(out, func(a, b Missing) int {
		return cmp.Or(strings.Compare(a.What, b.What), strings.Compare(a.TraceID, b.TraceID), strings.Compare(a.Service, b.Service), strings.Compare(a.SpanID, b.SpanID))
	})
	return out[:min(len(out), most)]
}

// missingParents tells of parents that were not received, once each, whatever
// number of children they have here.
func (t *traceSpans) missingParents() []Missing {
	var out []Missing
	children := map[telemetry.SpanID]int{}
	first := map[telemetry.SpanID]*telemetry.Span{}
	rooted := false
	for _, s := range t.spans {
		switch {
		case s.ParentID.IsZero():
			rooted = true
		case t.byID[s.ParentID] == nil:
			if children[s.ParentID]++; first[s.ParentID] == nil {
				first[s.ParentID] = s
			}
		}
	}
	for id, n := range children {
		s := first[id]
		m := Missing{What: MissingParent, Service: service(s.Stream), TraceID: t.id.String(), SpanID: id.String(),
			Text: fmt.Sprintf("the parent of %q (and of %d more) was not received", s.Name, n-1)}
		if n == 1 {
			m.Text = fmt.Sprintf("the parent of %q was not received", s.Name)
		}
		out = append(out, m)
	}
	if !rooted {
		s := t.spans[0]
		out = append(out, Missing{What: MissingRoot, Service: service(s.Stream), TraceID: t.id.String(),
			Text: fmt.Sprintf("the trace has no root; its earliest span is %q of %s", s.Name, service(s.Stream))})
	}
	return out
}

// missingServers tells of calls to services that send spans, which sent none
// for this call.
func (t *traceSpans) missingServers(traced map[string]bool) []Missing {
	var out []Missing
	for _, s := range t.spans {
		if s.Kind != telemetry.SpanKindClient || len(t.children[s.SpanID]) > 0 {
			continue
		}
		for _, key := range []string{"peer.service", "server.address", "net.peer.name"} {
			name := strings.Split(s.Attrs.Text(key), ".")[0]
			if name != "" && traced[name] && name != service(s.Stream) {
				out = append(out, Missing{What: MissingServer, Service: name, TraceID: t.id.String(), SpanID: s.SpanID.String(),
					Text: fmt.Sprintf("%s called %s (%q); %s sent no span of it", service(s.Stream), name, s.Name, name)})
				break
			}
		}
	}
	return out
}
