package kubernetes

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// The attributes of an event, as OpenTelemetry's receiver of them and clew's
// agent write them: of what it is about, and of the event itself.
const (
	AttrObjectKind  = "k8s.object.kind"
	AttrObjectName  = "k8s.object.name"
	AttrEventReason = "k8s.event.reason"
	AttrEventName   = "k8s.event.name"
	AttrEventUID    = "k8s.event.uid"
	AttrEventCount  = "k8s.event.count"
	AttrNamespace   = "k8s.namespace.name"
	AttrPod         = "k8s.pod.name"
	AttrNode        = "k8s.node.name"
)

// EventService is the service.name under which clew's agent writes events.
const EventService = "kubernetes-events"

// Event is what an event of Kubernetes says, whoever brought it.
type Event struct {
	Kind, Name, Namespace string // of what it is about
	Reason, Text          string
}

// OnlyEvents reports whether a stream holds events of Kubernetes and nothing
// else: it is no service's.
func OnlyEvents(s *telemetry.Stream) bool {
	if s == nil {
		return false
	}
	r := s.Resource.Attrs
	return r.Text(AttrObjectKind) != "" || r.Text(telemetry.AttrServiceName) == EventService ||
		strings.Contains(s.Scope.Name, "k8sobjects") || strings.Contains(s.Scope.Name, "k8sevents")
}

// MayHoldEvents reports whether a stream may hold Kubernetes events: those of
// the collector's receivers of events and of objects, and of what writes
// events as lines, which has "event" in its name.
func MayHoldEvents(s *telemetry.Stream) bool {
	if OnlyEvents(s) {
		return true
	}
	if s == nil {
		return false
	}
	for _, key := range []string{telemetry.AttrServiceName, "job", "app", "k8s.container.name", "k8s.deployment.name", "container"} {
		if strings.Contains(s.Resource.Attrs.Text(key), "event") {
			return true
		}
	}
	return false
}

// EventOf reads an event, in the form of any of those that bring them.
func EventOf(l *telemetry.Log) (Event, bool) {
	if l.Stream == nil {
		return Event{}, false
	}
	for _, attrs := range []telemetry.Attrs{l.Attrs, l.Stream.Resource.Attrs} {
		if kind := attrs.Text(AttrObjectKind); kind != "" {
			e := Event{Kind: kind, Name: attrs.Text(AttrObjectName), Reason: l.Attrs.Text(AttrEventReason), Text: l.Body.Text()}
			if e.Namespace = l.Attrs.Text(AttrNamespace); e.Namespace == "" {
				e.Namespace = l.Stream.Resource.Attrs.Text(AttrNamespace)
			}
			return e, true
		}
	}
	body := l.Body
	if text := body.Str(); strings.HasPrefix(text, "{") {
		var v map[string]any
		if json.Unmarshal([]byte(text), &v) != nil {
			return Event{}, false
		}
		body = telemetry.Map(attrsOf(v))
	} else if text != "" {
		return fromLogfmt(text)
	}
	return fromObject(body.Map())
}

// troubles are the reasons that kubelets, schedulers and controllers give when
// something does not run as it should.
var troubles = []string{
	"BackOff", "CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "InspectFailed", "OOMKilled", "OOMKilling", "Unhealthy", "ProbeWarning", "Failed",
	"FailedScheduling", "FailedMount", "FailedAttachVolume", "FailedCreate", "FailedCreatePodSandBox", "FailedKillPod", "FailedPostStartHook",
	"FailedPreStopHook", "Evicted", "Preempted", "ExceededGracePeriod", "BackoffLimitExceeded", "DeadlineExceeded", "ProgressDeadlineExceeded",
}

// Trouble reports whether the event says that something does not run as it
// should. That a container is killed is none where it was asked to stop.
func (e Event) Trouble() bool {
	if e.Reason == "Killing" {
		return strings.Contains(e.Text, "failed") || strings.Contains(e.Text, "restart")
	}
	return slices.Contains(troubles, e.Reason)
}

// fromObject reads an event, or the change of another object that is watched.
func fromObject(body telemetry.Attrs) (Event, bool) {
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
		return Event{about.Text("kind"), about.Text("name"), about.Text("namespace"), object.Text("reason"), text}, true
	}
	verb, meta := body.Text("type"), inner(object, "metadata")
	if verb == "" || meta == nil {
		return Event{}, false // a listing tells of no change
	}
	h := Event{Kind: object.Text("kind"), Name: meta.Text("name"), Namespace: meta.Text("namespace"), Reason: strings.ToLower(verb)}
	h.Text = h.Kind + " " + h.Name
	return h, true
}

// fromLogfmt reads an event as Grafana's agents write it.
func fromLogfmt(text string) (h Event, ok bool) {
	h = Event{field(text, "kind"), field(text, "name"), field(text, "namespace"), field(text, "reason"), field(text, "msg")}
	return h, h.Kind != "" && h.Name != "" && h.Reason != ""
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
