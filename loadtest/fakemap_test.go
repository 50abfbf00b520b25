package main

import (
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

// correlate follows IDs from record to record until there are no new ones.
func (f *fakeServer) correlate(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ids := map[string]bool{r.PathValue("id"): true}
	spans, logs := map[int]bool{}, map[int]bool{}
	for grown := true; grown; {
		grown = false
		for i, s := range f.spans {
			if !spans[i] && slices.ContainsFunc(s.ids, func(id string) bool { return ids[id] }) {
				spans[i], grown = true, true
				ids[s.TraceID().String()] = true
				for key := range joining {
					if v := text(s.Attributes(), key); v != "" {
						ids[v] = true
					}
				}
			}
		}
		for i, l := range f.logs {
			if !logs[i] && (carriesAny(l.text, ids) || slices.ContainsFunc(l.ids, func(id string) bool { return ids[id] })) {
				logs[i], grown = true, true
				if l.trace != "" {
					ids[l.trace] = true
				}
			}
		}
	}
	if len(spans)+len(logs) == 0 {
		w.WriteHeader(http.StatusNotFound)
		answer(w, map[string]string{"error": "nothing has that ID"})
		return
	}
	answer(w, f.story(spans, logs))
}

func carriesAny(text string, ids map[string]bool) bool {
	for id := range ids {
		if strings.Contains(text, id) {
			return true
		}
	}
	return false
}

func (f *fakeServer) story(spans, logs map[int]bool) map[string]any {
	timeline := []map[string]string{}
	services, traces := map[string][2]int{}, map[string]int{}
	for i := range f.spans {
		if s := &f.spans[i]; spans[i] {
			timeline = append(timeline, map[string]string{"type": "span", "service": s.service, "trace_id": s.TraceID().String(),
				"span_id": s.SpanID().String(), "parent_span_id": s.ParentSpanID().String()})
			n := services[s.service]
			services[s.service] = [2]int{n[0] + 1, n[1]}
			traces[s.TraceID().String()]++
		}
	}
	for i, l := range f.logs {
		if logs[i] {
			timeline = append(timeline, map[string]string{"type": "log", "service": l.service, "text": l.text})
			n := services[l.service]
			services[l.service] = [2]int{n[0], n[1] + 1}
		}
	}
	var serviceList, traceList []map[string]any
	for name, n := range services {
		serviceList = append(serviceList, map[string]any{"name": name, "spans": n[0], "logs": n[1]})
	}
	for id, n := range traces {
		traceList = append(traceList, map[string]any{"trace_id": id, "spans": n})
	}
	return map[string]any{"timeline": timeline, "services": serviceList, "traces": traceList}
}

type fakeEdge struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	Protocol string `json:"protocol"`
	Evidence string `json:"evidence"`
	Calls    int    `json:"calls"`
	Errors   int    `json:"errors"`
}

// edges reads the map from the stored spans.
func (f *fakeServer) edges() (map[string]*fakeEdge, map[string]string) {
	edges, types := map[string]*fakeEdge{}, map[string]string{}
	spans := f.selectSpans(func(*fakeSpan) bool { return true })
	children := map[string]*fakeSpan{}
	for i := range spans {
		children[spans[i].ParentSpanID().String()] = &spans[i]
	}
	for i := range spans {
		s := &spans[i]
		types[s.service] = "service"
		e, typ := edgeOf(s, children[s.SpanID().String()])
		if e.Target == "" {
			continue
		}
		other := e.Target
		if e.Target == s.service {
			other = e.Source
		}
		types[other] = typ
		key := e.Source + " " + e.Target
		if edges[key] == nil {
			edges[key] = &e
		}
		edges[key].Calls++
		if s.Status().Code() == ptrace.StatusCodeError {
			edges[key].Errors++
		}
	}
	return edges, types
}

// edgeOf returns the edge of a span and the type of the node on its other side.
func edgeOf(s, child *fakeSpan) (fakeEdge, string) {
	a := s.Attributes()
	queue := text(a, "messaging.system") + ":" + text(a, "messaging.destination.name")
	e := fakeEdge{Source: s.service, Protocol: "http", Evidence: "spans"}
	switch {
	case text(a, "db.system.name") != "":
		e.Target = text(a, "db.system.name") + ":" + text(a, "server.address") + "/" + text(a, "db.namespace")
		e.Protocol = "db"
		return e, "database"
	case s.Kind() == ptrace.SpanKindProducer:
		e.Target, e.Protocol = queue, "messaging"
		return e, "queue"
	case s.Kind() == ptrace.SpanKindConsumer:
		e.Source, e.Target, e.Protocol = queue, s.service, "messaging"
		return e, "queue"
	case s.Kind() == ptrace.SpanKindClient && child == nil:
		e.Target = text(a, "server.address")
		return e, "external"
	case s.Kind() == ptrace.SpanKindClient:
		e.Target = child.service
		if text(a, "rpc.system") != "" {
			e.Protocol = "grpc"
		}
		return e, "service"
	}
	return e, ""
}

func (f *fakeServer) serviceMap(w http.ResponseWriter, _ *http.Request) {
	edges, types := f.edges()
	var nodes []map[string]string
	for id, typ := range types {
		nodes = append(nodes, map[string]string{"id": id, "type": typ})
	}
	nodes = append(nodes, map[string]string{"id": "user", "type": "user"})
	list := []fakeEdge{{Source: "user", Target: "gateway", Calls: 1}}
	for _, e := range edges {
		list = append(list, *e)
	}
	answer(w, map[string]any{"nodes": nodes, "edges": list})
}

func (f *fakeServer) jaegerServices(w http.ResponseWriter, _ *http.Request) {
	_, types := f.edges()
	var names []string
	for id, typ := range types {
		if typ == "service" {
			names = append(names, id)
		}
	}
	answer(w, map[string]any{"data": names})
}

func (f *fakeServer) jaegerDependencies(w http.ResponseWriter, _ *http.Request) {
	edges, types := f.edges()
	data := []map[string]any{{"parent": "orders", "child": "notifications", "callCount": 1}}
	for _, e := range edges {
		if types[e.Source] == "service" && types[e.Target] == "service" {
			data = append(data, map[string]any{"parent": e.Source, "child": e.Target, "callCount": e.Calls})
		}
	}
	answer(w, map[string]any{"data": data})
}
