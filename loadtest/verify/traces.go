package verify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clewhq/clew/loadtest/workload"
)

// span is a span as the server gives it back, or as it was sent: what can be
// compared of it.
type span struct {
	id, parent, service, name, kind, status string
	start, end                              int64
	attrs, events, links                    int
}

func (s span) String() string {
	return fmt.Sprintf("span %s parent %q %s %q %s %s %d..%d, %d attributes, %d events, %d links",
		s.id, s.parent, s.service, s.name, s.kind, s.status, s.start, s.end, s.attrs, s.events, s.links)
}

// sentSpan is s as it was sent.
func sentSpan(s *workload.Span) span {
	status := ptrace.StatusCodeUnset
	if s.Failed {
		status = ptrace.StatusCodeError
	}
	parent := ""
	if !s.Parent.IsZero() {
		parent = s.Parent.String()
	}
	return span{
		id: s.ID.String(), parent: parent, service: workload.Services[s.Service].Name, name: s.Name,
		kind: ptrace.SpanKind(s.Kind).String(), status: status.String(), start: s.Start, end: s.End,
		attrs: len(s.Attrs), events: len(s.Events), links: len(s.Links),
	}
}

// traces reads every trace of the sample by its ID.
func (v *Verifier) traces(ctx context.Context, c *Check) {
	v.eachStory(ctx, v.cfg.Sample, func(s *workload.Story) {
		for _, id := range s.Traces {
			want, got := multiset{}, multiset{}
			for i := range s.Spans {
				if s.Spans[i].Trace == id {
					want[sentSpan(&s.Spans[i]).String()]++
				}
			}
			c.asked(len(want))
			spans, err := v.fetchTrace(ctx, id)
			if err != nil && !errors.Is(err, errNotFound) {
				c.find(Unanswered, 1, "trace %s: %v", id, err)
				continue
			}
			for _, sp := range spans {
				got[sp.String()]++
			}
			c.compare(got, want, "trace "+id.String())
		}
	})
}

// fetchTrace asks for a trace as Grafana does, in protobuf.
func (v *Verifier) fetchTrace(ctx context.Context, id workload.TraceID) ([]span, error) {
	body, err := v.api.get(ctx, "/tempo/api/v2/traces/"+id.String(), nil, "application/protobuf")
	if err != nil {
		return nil, err
	}
	trace, err := traceField(body)
	if err != nil {
		return nil, fmt.Errorf("read answer with trace %s: %w", id, err)
	}
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(trace)
	if err != nil {
		return nil, fmt.Errorf("read trace %s: %w", id, err)
	}
	return readSpans(td), nil
}

// traceField takes the trace, field 1, out of Tempo's TraceByIDResponse. A
// trace is wire-compatible with OTLP's TracesData.
func traceField(b []byte) ([]byte, error) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		b = b[n:]
		if num == 1 && typ == protowire.BytesType {
			trace, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return nil, protowire.ParseError(n)
			}
			return trace, nil
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return nil, protowire.ParseError(n)
		}
		b = b[n:]
	}
	return nil, fmt.Errorf("find trace in answer: no field 1")
}

func readSpans(td ptrace.Traces) []span {
	var out []span
	for _, rs := range td.ResourceSpans().All() {
		service, _ := rs.Resource().Attributes().Get("service.name")
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				out = append(out, span{
					id: s.SpanID().String(), parent: s.ParentSpanID().String(), service: service.AsString(),
					name: s.Name(), kind: s.Kind().String(), status: s.Status().Code().String(),
					start: int64(s.StartTimestamp()), end: int64(s.EndTimestamp()),
					attrs: s.Attributes().Len(), events: s.Events().Len(), links: s.Links().Len(),
				})
			}
		}
	}
	return out
}

// traceSearch looks for traces by the request ID that their roots carry.
func (v *Verifier) traceSearch(ctx context.Context, c *Check) {
	const most = 50 // each one reads everything in a server without an index
	v.eachStory(ctx, v.sample(most), func(s *workload.Story) {
		want, got := multiset{}, multiset{}
		for _, id := range s.Traces {
			want[id.String()]++
		}
		var answer struct {
			Traces []struct {
				TraceID string `json:"traceID"`
			} `json:"traces"`
		}
		c.asked(len(want))
		query := fmt.Sprintf("{ span.request.id = %q }", s.RequestID)
		err := v.api.getJSON(ctx, "/tempo/api/search", url.Values{
			"q": {query}, "limit": {"20"},
			"start": {strconv.FormatInt(v.from.Unix(), 10)}, "end": {strconv.FormatInt(v.to.Unix()+1, 10)},
		}, &answer)
		if err != nil {
			c.find(Unanswered, 1, "%s: %v", query, err)
			return
		}
		for _, t := range answer.Traces {
			// Tempo leaves out leading zeros.
			got[strings.Repeat("0", max(0, 32-len(t.TraceID)))+t.TraceID]++
		}
		c.compare(got, want, query)
	})
}

// sortLines puts lines in order of time, those of one moment as they came.
func sortLines(lines []line) {
	slices.SortStableFunc(lines, func(a, b line) int {
		switch {
		case a.time < b.time:
			return -1
		case a.time > b.time:
			return 1
		}
		return 0
	})
}
