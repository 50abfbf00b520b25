package correlate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// involved is what took part in a story beside its services: the names of the
// Kubernetes objects that its resources tell of, by kind in lower case.
type involved struct {
	services map[string]bool
	objects  map[string]map[string]bool
}

// objectAttrs are the attributes that name an object, by its kind.
var objectAttrs = map[string]string{
	"pod": "k8s.pod.name", "node": "k8s.node.name", "deployment": "k8s.deployment.name", "replicaset": "k8s.replicaset.name",
	"statefulset": "k8s.statefulset.name", "daemonset": "k8s.daemonset.name", "job": "k8s.job.name", "cronjob": "k8s.cronjob.name",
	"horizontalpodautoscaler": "k8s.hpa.name",
}

func (g *gather) involved() involved {
	v := involved{services: map[string]bool{}, objects: map[string]map[string]bool{}}
	seen := map[*telemetry.Stream]bool{}
	see := func(s *telemetry.Stream) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		v.services[s.Service] = true
		for kind, key := range objectAttrs {
			if name := s.Resource.Attrs.Text(key); name != "" {
				if v.objects[kind] == nil {
					v.objects[kind] = map[string]bool{}
				}
				v.objects[kind][name] = true
			}
		}
	}
	for i := range g.spans {
		see(g.spans[i].Stream)
	}
	for i := range g.logs {
		see(g.logs[i].Stream)
	}
	return v
}

// names reports whether an object took part. What belongs to one often has its
// name in front: an autoscaler has its deployment's.
func (v involved) names(kind, name string) bool {
	kind = strings.ToLower(kind)
	return v.objects[kind][name] || kind == "horizontalpodautoscaler" && (v.objects["deployment"][name] || v.objects["statefulset"][name])
}

// nearby returns what happened around the story without carrying any of its
// IDs: events of Kubernetes about the objects that took part, and versions of
// services that were new.
func (g *gather) nearby(ctx context.Context, from, to time.Time) ([]Entry, error) {
	around := time.Duration(g.cfg.Nearby)
	out := []Entry{}
	if around <= 0 || g.empty() {
		return out, nil
	}
	v := g.involved()
	start, end := max(from.Add(-around).UnixNano(), 0), to.Add(around).UnixNano()
	events, err := g.kubernetesEvents(ctx, v, start, end)
	if err != nil {
		return out, err
	}
	versions, err := g.newVersions(ctx, v, start, end)
	if err != nil {
		return out, err
	}
	out = append(append(out, events...), versions...)
	slices.SortStableFunc(out, compareEntries)
	return out[:min(len(out), g.cfg.MaxListed)], nil
}

// isEvents reports whether a stream holds Kubernetes events, as the collector's
// receivers of events and of objects write them.
func isEvents(s *telemetry.Stream) bool {
	return s != nil && (s.Resource.Attrs.Text("k8s.object.kind") != "" || strings.Contains(s.Scope.Name, "k8sobjects") || strings.Contains(s.Scope.Name, "k8sevents"))
}

func (g *gather) kubernetesEvents(ctx context.Context, v involved, from, to int64) ([]Entry, error) {
	if len(v.objects) == 0 {
		return nil, nil
	}
	var out []Entry
	q := storage.LogQuery{Tenant: g.q.Tenant, From: from, To: to, Stream: func(s *telemetry.Stream) bool {
		if !isEvents(s) {
			return false
		}
		kind := s.Resource.Attrs.Text("k8s.object.kind")
		return kind == "" || v.names(kind, s.Resource.Attrs.Text("k8s.object.name"))
	}}
	for batch, err := range g.reader.Logs(ctx, q) {
		if err != nil {
			return out, fmt.Errorf("read events of Kubernetes: %w", err)
		}
		for i := range batch {
			if e, ok := kubernetesEvent(&batch[i], v); ok {
				out = append(out, e)
			}
		}
		if len(out) > g.cfg.MaxListed {
			return out, nil
		}
	}
	return out, nil
}

// kubernetesEvent reads an event, and reports whether it is about an object
// that took part.
func kubernetesEvent(l *telemetry.Log, v involved) (Entry, bool) {
	r := l.Stream.Resource.Attrs
	kind, name := r.Text("k8s.object.kind"), r.Text("k8s.object.name")
	reason, text := l.Attrs.Text("k8s.event.reason"), l.Body.Text()
	if kind == "" {
		object := inner(l.Body.Map(), "object")
		if object == nil {
			object = l.Body.Map()
		}
		about := inner(object, "involvedObject")
		if about == nil {
			about = inner(object, "regarding")
		}
		kind, name, reason = about.Text("kind"), about.Text("name"), object.Text("reason")
		if text = object.Text("message"); text == "" {
			text = object.Text("note")
		}
		if !v.names(kind, name) {
			return Entry{}, false
		}
	}
	e := logEntry(l, r.Any())
	e.Type, e.Service = TypeEvent, strings.ToLower(kind)+"/"+name
	e.Text = strings.TrimPrefix(reason+": "+text, ": ")
	return e, true
}

func inner(a telemetry.Attrs, key string) telemetry.Attrs {
	v, _ := a.Get(key)
	return v.Map()
}

// newVersions tells of services of the story that sent something as another
// version for the first time around it.
func (g *gather) newVersions(ctx context.Context, v involved, from, to int64) ([]Entry, error) {
	type version struct {
		name  string
		first int64
	}
	byService := map[string]map[string]int64{}
	for _, signal := range []telemetry.Signal{telemetry.Traces, telemetry.Logs} {
		streams, err := g.reader.Streams(ctx, g.q.Tenant, signal, from, to)
		if err != nil {
			return nil, fmt.Errorf("list streams: %w", err)
		}
		for _, s := range streams {
			name := s.Stream.Resource.Attrs.Text("service.version")
			if name == "" || !v.services[s.Stream.Service] {
				continue
			}
			if byService[s.Stream.Service] == nil {
				byService[s.Stream.Service] = map[string]int64{}
			}
			if first, ok := byService[s.Stream.Service][name]; !ok || s.First < first {
				byService[s.Stream.Service][name] = s.First
			}
		}
	}
	var out []Entry
	for service, firsts := range byService {
		var versions []version
		for name, first := range firsts {
			versions = append(versions, version{name, first})
		}
		slices.SortFunc(versions, func(a, b version) int { return cmp.Or(cmp.Compare(a.first, b.first), strings.Compare(a.name, b.name)) })
		for i := 1; i < len(versions); i++ {
			if now := versions[i]; now.first >= from {
				out = append(out, Entry{Time: at(now.first), Type: TypeEvent, Service: service, Attributes: map[string]any{"service.version": now.name}, Resource: map[string]any{},
					Text: fmt.Sprintf("version %s was seen for the first time, after %s", now.name, versions[i-1].name)})
			}
		}
	}
	return out, nil
}
