package verify

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/clewhq/clew/loadtest/workload"
)

// story is the answer to a correlation ID.
type story struct {
	Partial   bool     `json:"partial"`
	Truncated bool     `json:"truncated"`
	Warnings  []string `json:"warnings"`
	Services  []struct {
		Name  string `json:"name"`
		Spans int    `json:"spans"`
		Logs  int    `json:"logs"`
	} `json:"services"`
	Traces []struct {
		TraceID string `json:"trace_id"`
		Spans   int    `json:"spans"`
	} `json:"traces"`
	Timeline []struct {
		Type         string `json:"type"`
		Service      string `json:"service"`
		Text         string `json:"text"`
		TraceID      string `json:"trace_id"`
		SpanID       string `json:"span_id"`
		ParentSpanID string `json:"parent_span_id"`
	} `json:"timeline"`
}

// correlateLimit is above what the longest session holds.
const correlateLimit = "20000"

// facts is what an answer must hold, no more and no less: spans and lines,
// and how many of them each service has.
type facts struct {
	spans, logs, services, traces multiset
}

func newFacts() facts { return facts{multiset{}, multiset{}, multiset{}, multiset{}} }

// add takes in everything that belongs to a request.
func (f facts) add(s *workload.Story) {
	for i := range s.Spans {
		sp := &s.Spans[i]
		service := workload.Services[sp.Service].Name
		parent := ""
		if !sp.Parent.IsZero() {
			parent = sp.Parent.String()
		}
		f.spans[spanFact(sp.Trace.String(), sp.ID.String(), parent, service)]++
		f.services[service+" spans"]++
		f.traces[sp.Trace.String()]++
	}
	for i := range s.Logs {
		service := s.Logs[i].ServiceName()
		f.logs[service+": "+s.Logs[i].Body]++
		f.services[service+" logs"]++
	}
}

func spanFact(trace, id, parent, service string) string {
	return fmt.Sprintf("%s/%s under %q in %s", trace, id, parent, service)
}

// read takes the facts out of an answer.
func (a *story) read() facts {
	f := newFacts()
	for _, t := range a.Timeline {
		switch t.Type {
		case "span":
			f.spans[spanFact(t.TraceID, t.SpanID, t.ParentSpanID, t.Service)]++
		case "log":
			f.logs[t.Service+": "+t.Text]++
		}
	}
	for _, s := range a.Services {
		if s.Spans > 0 {
			f.services[s.Name+" spans"] = s.Spans
		}
		if s.Logs > 0 {
			f.services[s.Name+" logs"] = s.Logs
		}
	}
	for _, t := range a.Traces {
		f.traces[t.TraceID] = t.Spans
	}
	return f
}

// correlation pulls every ID of the sample's requests.
func (v *Verifier) correlation(ctx context.Context, c *Check) {
	v.eachStory(ctx, v.cfg.Sample, func(s *workload.Story) {
		want := newFacts()
		want.add(s)
		ids := []string{s.RequestID}
		for _, t := range s.Traces {
			ids = append(ids, t.String())
		}
		if s.OrderID != "" && want.carries(s) {
			ids = append(ids, s.OrderID)
		}
		for _, id := range ids {
			v.correlate(ctx, c, id, want)
		}
	})
}

// carries reports whether anything of the request carries its order ID: a
// checkout that failed early never got to one.
func (f facts) carries(s *workload.Story) bool {
	for i := range s.Spans {
		for _, a := range s.Spans[i].Attrs {
			if a.Value == s.OrderID {
				return true
			}
		}
	}
	return false
}

// sessions pulls session IDs, which lead to all requests of a customer.
func (v *Verifier) sessions(ctx context.Context, c *Check) {
	const most = 50
	seen := map[string]facts{}
	var order []string
	for i := range v.w.Requests() {
		s := v.w.Story(i)
		f, ok := seen[s.SessionID]
		if !ok {
			if len(order) == v.sample(most) {
				break
			}
			f = newFacts()
			seen[s.SessionID] = f
			order = append(order, s.SessionID)
		}
		f.add(s)
	}
	for _, id := range order {
		v.correlate(ctx, c, id, seen[id])
	}
}

// correlate asks for one ID and compares the answer.
func (v *Verifier) correlate(ctx context.Context, c *Check, id string, want facts) {
	var answer story
	c.asked(len(want.spans) + len(want.logs))
	err := v.api.getJSON(ctx, "/api/v1/correlate/"+url.PathEscape(id), url.Values{"limit": {correlateLimit}}, &answer)
	if err != nil && !errors.Is(err, errNotFound) {
		c.find(Unanswered, 1, "correlate %s: %v", id, err)
		return
	}
	if answer.Partial || answer.Truncated {
		c.find(Wrong, 1, "correlate %s: partial %v, truncated %v: %q", id, answer.Partial, answer.Truncated, answer.Warnings)
	}
	got := answer.read()
	c.compare(got.spans, want.spans, "span of "+id)
	c.compare(got.logs, want.logs, "log line of "+id)
	if err == nil {
		c.compare(got.services, want.services, "services of "+id)
		c.compare(got.traces, want.traces, "traces of "+id)
	}
}
