package correlate

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// happening is what an event of Kubernetes says, whoever brought it.
type happening struct {
	kind, name, namespace string
	reason, text          string
}

// isEvents reports whether a stream may hold Kubernetes events: those of the
// collector's receivers of events and of objects, and of what writes events as
// lines, which has "event" in its name.
func isEvents(s *telemetry.Stream) bool {
	if s == nil {
		return false
	}
	r := s.Resource.Attrs
	if r.Text("k8s.object.kind") != "" || strings.Contains(s.Scope.Name, "k8sobjects") || strings.Contains(s.Scope.Name, "k8sevents") {
		return true
	}
	for _, key := range []string{telemetry.AttrServiceName, "job", "app", "k8s.container.name", "k8s.deployment.name", "container"} {
		if strings.Contains(r.Text(key), "event") {
			return true
		}
	}
	return false
}

// kubernetesEvents reads the events about objects that took part.
func (g *gather) kubernetesEvents(ctx context.Context, v *involved, from, to int64) ([]Entry, error) {
	if len(v.objects) == 0 {
		return nil, nil
	}
	var out []Entry
	q := storage.LogQuery{Tenant: g.q.Tenant, From: from, To: to, Stream: func(s *telemetry.Stream) bool {
		if !isEvents(s) {
			return false
		}
		kind := s.Resource.Attrs.Text("k8s.object.kind")
		return kind == "" || v.names(kind, s.Resource.Attrs.Text("k8s.object.name"), s.Resource.Attrs.Text("k8s.namespace.name"))
	}}
	for batch, err := range g.reader.Logs(ctx, q) {
		if err != nil {
			return out, fmt.Errorf("read events of Kubernetes: %w", err)
		}
		for i := range batch {
			l := &batch[i]
			h, ok := happened(l)
			if !ok || !v.names(h.kind, h.name, h.namespace) && !v.configures(h) {
				continue
			}
			e := logEntry(l, l.Stream.Resource.Attrs.Any())
			e.Type, e.Service = TypeEvent, strings.ToLower(h.kind)+"/"+h.name
			e.Text = strings.TrimPrefix(h.reason+": "+h.text, ": ")
			out = append(out, e)
		}
		if len(out) > g.cfg.MaxListed {
			return out, nil
		}
	}
	return out, nil
}

// configKinds are kinds whose change is news for all of a namespace.
var configKinds = map[string]bool{"configmap": true, "secret": true}

// configures reports whether h is about settings of a namespace that took part.
func (v *involved) configures(h happening) bool {
	return configKinds[strings.ToLower(h.kind)] && v.namespaces[h.namespace]
}

// happened reads an event, in the form of any of those that bring them.
func happened(l *telemetry.Log) (happening, bool) {
	r := l.Stream.Resource.Attrs
	if kind := r.Text("k8s.object.kind"); kind != "" {
		return happening{kind, r.Text("k8s.object.name"), r.Text("k8s.namespace.name"), l.Attrs.Text("k8s.event.reason"), l.Body.Text()}, true
	}
	body := l.Body
	if text := body.Str(); strings.HasPrefix(text, "{") {
		var v map[string]any
		if json.Unmarshal([]byte(text), &v) != nil {
			return happening{}, false
		}
		body = telemetry.Map(attrsOf(v))
	} else if text != "" {
		return fromLogfmt(text)
	}
	return fromObject(body.Map())
}

// fromObject reads an event, or the change of another object that is watched.
func fromObject(body telemetry.Attrs) (happening, bool) {
	object := inner(body, "object")
	if object == nil {
		object = body
	}
	if event := inner(body, "event"); event != nil {
		object = event // as eventrouter wraps it
	}
	about := inner(object, "involvedObject")
	if about == nil {
		about = inner(object, "regarding")
	}
	if about != nil {
		text := object.Text("message")
		if text == "" {
			text = object.Text("note")
		}
		return happening{about.Text("kind"), about.Text("name"), about.Text("namespace"), object.Text("reason"), text}, true
	}
	verb, meta := body.Text("type"), inner(object, "metadata")
	if verb == "" || meta == nil {
		return happening{}, false // a listing tells of no change
	}
	h := happening{kind: object.Text("kind"), name: meta.Text("name"), namespace: meta.Text("namespace"), reason: strings.ToLower(verb)}
	h.text = h.kind + " " + h.name
	return h, true
}

// fromLogfmt reads an event as Grafana's agents write it.
func fromLogfmt(text string) (h happening, ok bool) {
	h = happening{field(text, "kind"), field(text, "name"), field(text, "namespace"), field(text, "reason"), field(text, "msg")}
	return h, h.kind != "" && h.name != "" && h.reason != ""
}

// field returns the value of a key of a logfmt line.
func field(line, key string) string {
	for rest := line; ; {
		i := strings.Index(rest, key+"=")
		if i < 0 {
			return ""
		}
		value := rest[i+len(key)+1:]
		if i > 0 && rest[i-1] != ' ' {
			rest = value
			continue
		}
		if strings.HasPrefix(value, `"`) {
			value, _, _ = strings.Cut(value[1:], `"`)
			return value
		}
		value, _, _ = strings.Cut(value, " ")
		return value
	}
}

// attrsOf returns the texts and objects of a JSON object.
func attrsOf(object map[string]any) telemetry.Attrs {
	out := make(telemetry.Attrs, 0, len(object))
	for key, v := range object {
		switch v := v.(type) {
		case string:
			out = append(out, telemetry.Attr{Key: key, Value: telemetry.String(v)})
		case map[string]any:
			out = append(out, telemetry.Attr{Key: key, Value: telemetry.Map(attrsOf(v))})
		}
	}
	return out
}

func inner(a telemetry.Attrs, key string) telemetry.Attrs {
	v, _ := a.Get(key)
	return v.Map()
}
