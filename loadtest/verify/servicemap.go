package verify

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/clewhq/clew/loadtest/workload"
)

// serviceMap asks for the whole map. Edges that lines tell of and the user in
// front of the gateway are the server's own additions; edges of nodes that
// are not of this workload belong to somebody else.
func (v *Verifier) serviceMap(ctx context.Context, c *Check) {
	var answer struct {
		Nodes []struct {
			ID   string `json:"id"`
			Type string `json:"type"`
		} `json:"nodes"`
		Edges []struct {
			Source, Target, Protocol, Evidence string
			Calls, Errors                      int64
		} `json:"edges"`
		Partial bool `json:"partial"`
	}
	c.asked(len(v.truth.Edges))
	err := v.api.getJSON(ctx, "/api/v1/servicemap", url.Values{
		"from": {v.from.UTC().Format(time.RFC3339Nano)}, "to": {v.to.UTC().Format(time.RFC3339Nano)},
	}, &answer)
	if err != nil {
		c.find(Unanswered, 1, "%v", err)
		return
	}
	if answer.Partial {
		c.find(Wrong, 1, "the map is partial")
	}
	types := map[string]string{}
	for _, n := range answer.Nodes {
		types[n.ID] = n.Type
	}
	got := map[[2]string]workload.Edge{}
	for _, e := range answer.Edges {
		if e.Evidence == "logs" || types[e.Source] == "user" {
			continue
		}
		key := [2]string{e.Source, e.Target}
		sum := got[key]
		got[key] = workload.Edge{Source: e.Source, Target: e.Target, Protocol: workload.Protocol(e.Protocol),
			Calls: sum.Calls + e.Calls, Errors: sum.Errors + e.Errors}
	}
	c.compareEdges(got, v.truth.Edges, true)
	c.compareTypes(types, v.truth.Edges)
}

// compareEdges holds edges against the truth. Without exact, only the calls
// count.
func (c *Check) compareEdges(got map[[2]string]workload.Edge, want []workload.Edge, exact bool) {
	ours := map[string]bool{}
	for _, w := range want {
		ours[w.Source], ours[w.Target] = true, true
		key := [2]string{w.Source, w.Target}
		g, ok := got[key]
		delete(got, key)
		name := w.Source + " -> " + w.Target
		if !ok {
			c.find(Lost, 1, "edge %s with %d calls", name, w.Calls)
			continue
		}
		c.count(int(g.Calls), int(w.Calls), "calls "+name)
		if exact && g.Errors != w.Errors {
			c.find(Wrong, 1, "errors %s: %d, want %d", name, g.Errors, w.Errors)
		}
		if exact && g.Protocol != w.Protocol {
			c.find(Wrong, 1, "protocol %s: %q, want %q", name, g.Protocol, w.Protocol)
		}
	}
	for key, g := range got {
		if ours[key[0]] && ours[key[1]] {
			c.find(Wrong, 1, "edge %s -> %s (%s, %d calls) does not exist", key[0], key[1], g.Protocol, g.Calls)
		}
	}
}

// compareTypes holds the types of nodes against what their edges say.
func (c *Check) compareTypes(got map[string]string, edges []workload.Edge) {
	want := map[string]string{}
	for _, e := range edges {
		for _, n := range []string{e.Source, e.Target} {
			switch {
			case workload.ServiceIndex(n) >= 0:
				want[n] = "service"
			case e.Protocol == workload.DB:
				want[n] = "database"
			case e.Protocol == workload.Messaging:
				want[n] = "queue"
			default:
				want[n] = "external"
			}
		}
	}
	for n, typ := range want {
		if got[n] != typ {
			c.find(Wrong, 1, "node %s is of type %q, want %q", n, got[n], typ)
		}
	}
}

// jaeger asks for the services, one trace's shape and the dependencies. Those
// tell only of services: what runs over the queue may stand there or not.
func (v *Verifier) jaeger(ctx context.Context, c *Check) {
	v.jaegerServices(ctx, c)
	var answer struct {
		Data []struct {
			Parent    string `json:"parent"`
			Child     string `json:"child"`
			CallCount int64  `json:"callCount"`
		} `json:"data"`
	}
	var want []workload.Edge
	for _, e := range v.truth.Edges {
		if workload.ServiceIndex(e.Source) >= 0 && workload.ServiceIndex(e.Target) >= 0 {
			want = append(want, e)
		}
	}
	c.asked(len(want))
	err := v.api.getJSON(ctx, "/jaeger/api/dependencies", url.Values{
		"endTs":    {strconv.FormatInt(v.to.UnixMilli(), 10)},
		"lookback": {strconv.FormatInt(v.to.Sub(v.from).Milliseconds(), 10)},
	}, &answer)
	if err != nil {
		c.find(Unanswered, 1, "%v", err)
		return
	}
	got := map[[2]string]workload.Edge{}
	for _, d := range answer.Data {
		if d.Parent == "orders" && d.Child == "notifications" {
			continue // over the queue
		}
		key := [2]string{d.Parent, d.Child}
		got[key] = workload.Edge{Source: d.Parent, Target: d.Child, Calls: got[key].Calls + d.CallCount}
	}
	c.compareEdges(got, want, false)
}

func (v *Verifier) jaegerServices(ctx context.Context, c *Check) {
	var services struct {
		Data []string `json:"data"`
	}
	c.asked(len(v.truth.SpansByService))
	if err := v.api.getJSON(ctx, "/jaeger/api/services", nil, &services); err != nil {
		c.find(Unanswered, 1, "%v", err)
		return
	}
	listed := map[string]bool{}
	for _, s := range services.Data {
		listed[s] = true
	}
	for s := range v.truth.SpansByService {
		if !listed[s] {
			c.find(Lost, 1, "service %s is not listed", s)
		}
	}
}
