package kubernetes

import (
	"slices"
	"testing"

	"github.com/clewhq/clew/telemetry"
)

func attrs(kv ...string) (out telemetry.Attrs) {
	for i := 0; i < len(kv); i += 2 {
		out = append(out, telemetry.Attr{Key: kv[i], Value: telemetry.String(kv[i+1])})
	}
	return out
}

func stream(scope string, kv ...string) *telemetry.Stream {
	return telemetry.NewStream(telemetry.Resource{Attrs: attrs(kv...)}, telemetry.Scope{Name: scope})
}

// The forms in which events come.
func TestEventOf(t *testing.T) {
	want := Event{"Pod", "web-0", "shop", "BackOff", "it fell"}
	for name, l := range map[string]telemetry.Log{
		"OpenTelemetry's receiver": {Stream: stream("", "k8s.object.kind", "Pod", "k8s.object.name", "web-0"), Body: telemetry.String("it fell"),
			Attrs: attrs("k8s.event.reason", "BackOff", "k8s.namespace.name", "shop")},
		"clew's agent": {Stream: stream("", "service.name", EventService, "k8s.namespace.name", "shop"), Body: telemetry.String("it fell"),
			Attrs: attrs("k8s.object.kind", "Pod", "k8s.object.name", "web-0", "k8s.event.reason", "BackOff")},
		"an object":          {Stream: stream("k8sobjects"), Body: telemetry.String(`{"type":"ADDED","object":{"kind":"Event","reason":"BackOff","note":"it fell","regarding":{"kind":"Pod","name":"web-0","namespace":"shop"}}}`)},
		"an event in a line": {Stream: stream("", "app", "eventrouter"), Body: telemetry.String(`{"verb":"ADDED","event":{"reason":"BackOff","message":"it fell","involvedObject":{"kind":"Pod","name":"web-0","namespace":"shop"}}}`)},
		"logfmt":             {Stream: stream("", "job", "events"), Body: telemetry.String(`name=web-0 kind=Pod namespace=shop reason=BackOff msg="it fell"`)},
	} {
		if got, ok := EventOf(&l); !ok || got != want {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
		if !MayHoldEvents(l.Stream) {
			t.Errorf("%s: nobody looks there", name)
		}
	}
	for _, text := range []string{"", "hello", "{", `{"a":1}`, "name=x"} {
		if e, ok := EventOf(&telemetry.Log{Stream: stream(""), Body: telemetry.String(text)}); ok {
			t.Errorf("%q is %+v", text, e)
		}
	}
	if _, ok := EventOf(&telemetry.Log{}); ok || MayHoldEvents(nil) || OnlyEvents(nil) || OnlyEvents(stream("", "service.name", "event-store")) {
		t.Error("what is nobody's is an event's")
	}
}

func TestTrouble(t *testing.T) {
	for e, want := range map[Event]bool{
		{Reason: "BackOff"}: true, {Reason: "Unhealthy"}: true, {Reason: "Pulled"}: false, {}: false,
		{Reason: "Killing", Text: "Stopping container web"}:                                 false,
		{Reason: "Killing", Text: "Container web failed liveness probe, will be restarted"}: true,
	} {
		if e.Trouble() != want {
			t.Errorf("%+v: %v", e, !want)
		}
	}
}

func TestObjects(t *testing.T) {
	r := attrs("pod", "web-7d9f8b6c5d-x2x4z", "namespace", "shop", "k8s.node.name", "n1")
	want := []Object{{KindPod, "web-7d9f8b6c5d-x2x4z"}, {KindReplicaSet, "web-7d9f8b6c5d"}, {KindDeployment, "web"}, {KindNode, "n1"}}
	if got := Objects(r); !slices.Equal(got, want) || Namespace(r) != "shop" {
		t.Errorf("%v in %s", got, Namespace(r))
	}
	if got := Owners("db-0"); !slices.Equal(got, []Object{{KindStatefulSet, "db"}}) {
		t.Errorf("db-0 is of %v", got)
	}
	if Owners("alone") != nil || Owners("a-b") != nil {
		t.Error("a name without a number has an owner")
	}
}
