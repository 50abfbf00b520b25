package correlate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/telemetry"
)

func nearbyOf(a *correlate.Answer) []string {
	var got []string
	for _, e := range a.Nearby {
		got = append(got, fmt.Sprintf("%d %s %s", e.Time.Sub(correlatetest.Epoch).Milliseconds(), e.Service, e.Text))
	}
	return got
}

func TestNearby(t *testing.T) {
	pod := correlatetest.Stream("web", "k8s.pod.name", "web-1", "service.version", "1.1", "k8s.deployment.name", "web")
	old := correlatetest.Stream("web", "k8s.pod.name", "web-0", "service.version", "1.0")
	event := func(kind, name, reason string, ms int) telemetry.Log {
		return telemetry.Log{Stream: correlatetest.Stream("", "k8s.object.kind", kind, "k8s.object.name", name), Time: correlatetest.At(ms),
			Body: telemetry.String("it happened"), Attrs: correlatetest.Attrs("k8s.event.reason", reason)}
	}
	object := telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{Name: "otelcol/k8sobjectsreceiver"})
	raw := func(name string) telemetry.Log {
		about := telemetry.Map(correlatetest.Attrs("kind", "Pod", "name", name))
		return telemetry.Log{Stream: object, Time: correlatetest.At(70), Body: telemetry.Map(telemetry.Attrs{{Key: "object", Value: telemetry.Map(
			append(correlatetest.Attrs("reason", "BackOff", "message", "restarting failed container"), telemetry.Attr{Key: "involvedObject", Value: about}))}})}
	}
	s := correlatetest.New()
	s.AddSpans(tenant, sp(pod, "1", "", server, 0, 50), telemetry.Span{Stream: old, TraceID: correlatetest.Trace("78"), SpanID: correlatetest.Span("1"), Start: correlatetest.At(-90_000), End: correlatetest.At(-89_000)})
	s.AddLogs(tenant, event("Pod", "web-1", "OOMKilled", 60), event("Pod", "other-1", "Pulled", 61), event("Deployment", "web", "ScalingReplicaSet", -1000),
		event("Pod", "web-1", "Pulled", -10*60_000), raw("web-1"), raw("other-1"))
	a := ask(t, s, correlate.Request{ID: "77"})
	var got []string
	for _, e := range a.Nearby {
		got = append(got, fmt.Sprintf("%d %s %s", e.Time.Sub(correlatetest.Epoch).Milliseconds(), e.Service, e.Text))
	}
	want := "-1000 deployment/web ScalingReplicaSet: it happened, 0 web version 1.1 was seen for the first time, after 1.0, " +
		"60 pod/web-1 OOMKilled: it happened, 70 pod/web-1 BackOff: restarting failed container"
	if strings.Join(got, ", ") != want {
		t.Errorf("nearby %s\nwant %s", strings.Join(got, ", "), want)
	}
	if len(a.Timeline) != 1 {
		t.Errorf("what is near is not part of the story: %s", story(a))
	}
}

// shopPod is a story of one span of a pod of the shop's checkout.
func shopPod() *correlatetest.Store {
	s := correlatetest.New()
	s.AddSpans(tenant, sp(correlatetest.Stream("checkout", "k8s.pod.name", "checkout-7d9f8b6c5d-x2x4z", "k8s.namespace.name", "shop"), "1", "", server, 0, 50),
		sp(correlatetest.Stream("db", "pod", "db-0", "namespace", "shop"), "2", "1", server, 10, 20))
	return s
}

// What owns a pod took part, as far as its name tells; what has the same name
// in another namespace did not.
func TestNearbyKubernetes(t *testing.T) {
	s := shopPod()
	at := 0
	event := func(namespace, kind, name, reason string) telemetry.Log {
		at++
		return telemetry.Log{Stream: correlatetest.Stream("", "k8s.object.kind", kind, "k8s.object.name", name, "k8s.namespace.name", namespace), Time: correlatetest.At(at),
			Body: telemetry.String("x"), Attrs: correlatetest.Attrs("k8s.event.reason", reason)}
	}
	line := func(service, text string) telemetry.Log {
		at++
		return telemetry.Log{Stream: correlatetest.Stream(service), Time: correlatetest.At(at), Body: telemetry.String(text)}
	}
	watched := func(verb, kind, namespace, name string) telemetry.Log {
		at++
		meta := telemetry.Map(correlatetest.Attrs("name", name, "namespace", namespace))
		body := append(correlatetest.Attrs("type", verb), telemetry.Attr{Key: "object", Value: telemetry.Map(append(correlatetest.Attrs("kind", kind), telemetry.Attr{Key: "metadata", Value: meta}))})
		return telemetry.Log{Stream: telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{Name: "otelcol/k8sobjectsreceiver"}), Time: correlatetest.At(at), Body: telemetry.Map(body)}
	}
	s.AddLogs(tenant,
		event("shop", "ReplicaSet", "checkout-7d9f8b6c5d", "SuccessfulCreate"), event("shop", "Deployment", "checkout", "ScalingReplicaSet"), event("staging", "Deployment", "checkout", "ScalingReplicaSet"),
		event("shop", "StatefulSet", "db", "RecreatingFailedPod"), event("shop", "HorizontalPodAutoscaler", "checkout", "SuccessfulRescale"), event("shop", "Deployment", "other", "ScalingReplicaSet"),
		line("kubernetes-event-exporter", `{"reason":"Unhealthy","message":"Readiness probe failed","involvedObject":{"kind":"Pod","namespace":"shop","name":"checkout-7d9f8b6c5d-x2x4z"}}`),
		line("kubernetes-event-exporter", `{"reason":"Unhealthy","involvedObject":{"kind":"Pod","namespace":"shop","name":"other-7d9f8b6c5d-x2x4z"}}`),
		line("eventrouter", `{"verb":"ADDED","event":{"reason":"Killing","message":"Stopping container","involvedObject":{"kind":"Pod","namespace":"shop","name":"db-0"}}}`),
		line("loki.source.kubernetes_events", `name=db-0 kind=Pod namespace=shop objectAPIversion=v1 reason=BackOff type=Warning count=3 msg="Back-off restarting failed container"`),
		line("loki.source.kubernetes_events", `rename=db-0 kind=Pod`), line("events", "{broken"), line("events", "no event at all"),
		line("checkout", `{"reason":"Unhealthy","involvedObject":{"kind":"Pod","name":"db-0"}}`),
		watched("MODIFIED", "Deployment", "shop", "checkout"), watched("MODIFIED", "ConfigMap", "shop", "flags"), watched("MODIFIED", "ConfigMap", "staging", "flags"), watched("", "Deployment", "shop", "checkout"),
		event("argocd", "Application", "checkout", "OperationCompleted"), event("argocd", "Application", "other", "OperationCompleted"), event("flux-system", "HelmRelease", "db", "UpgradeSucceeded"))
	want := []string{"1 replicaset/checkout-7d9f8b6c5d SuccessfulCreate: x", "2 deployment/checkout ScalingReplicaSet: x", "4 statefulset/db RecreatingFailedPod: x",
		"5 horizontalpodautoscaler/checkout SuccessfulRescale: x", "7 pod/checkout-7d9f8b6c5d-x2x4z Unhealthy: Readiness probe failed", "9 pod/db-0 Killing: Stopping container",
		"10 pod/db-0 BackOff: Back-off restarting failed container", "15 deployment/checkout modified: Deployment checkout", "16 configmap/flags modified: ConfigMap flags",
		"19 application/checkout OperationCompleted: x", "21 helmrelease/db UpgradeSucceeded: x"}
	if got := nearbyOf(ask(t, s, correlate.Request{ID: "77"})); !slices.Equal(got, want) {
		t.Errorf("nearby\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNearbyChanges(t *testing.T) {
	s := shopPod()
	at := 0
	record := func(service, event, text string, attrs ...string) telemetry.Log {
		at++
		return telemetry.Log{Stream: correlatetest.Stream(service), Time: correlatetest.At(at), EventName: event, Body: telemetry.String(text), Attrs: correlatetest.Attrs(attrs...)}
	}
	old := record("checkout", "deployment.finished", "long ago")
	old.Time = correlatetest.At(-10 * 60_000)
	s.AddLogs(tenant,
		record("argocd", "", "synced", "deployment.name", "checkout", "deployment.status", "succeeded"),
		record("argocd", "", "synced", "deployment.name", "cart", "deployment.status", "succeeded"), // another one's
		record("ci", "deployment.finished", "", "service", "checkout", "deployment.id", "17"),
		record("flagd", "feature_flag.updated", "new-prices is on"),
		record("flagd", "feature_flag.evaluation", "new-prices"), // no change
		record("checkout", "", "reloaded", "event.name", "config.reload"),
		record("cart", "config.changed", "of another service", "service.name", "cart"),
		record("checkout", "order.placed", "17"), old)
	run := func(id string, parent telemetry.SpanID, attrs ...string) telemetry.Span {
		return telemetry.Span{Stream: correlatetest.Stream("github-actions"), TraceID: correlatetest.Trace(id), SpanID: correlatetest.Span("1"), ParentID: parent, Name: "deploy " + id,
			Start: correlatetest.At(20), End: correlatetest.At(90_000), Attrs: correlatetest.Attrs(attrs...)}
	}
	s.AddSpans(tenant, run("a1", telemetry.SpanID{}, "cicd.pipeline.run.id", "17", "cicd.pipeline.result", "success", "deployment.service", "checkout"),
		run("a2", telemetry.SpanID{}, "cicd.pipeline.run.id", "18", "deployment.service", "cart"), // another one's
		run("a3", correlatetest.Span("2"), "cicd.pipeline.task.name", "build"))
	want := []string{"2 argocd synced", "4 ci deployment.finished: service=checkout deployment.id=17", "5 flagd feature_flag.updated: new-prices is on", "7 checkout config.reload: reloaded",
		"20 github-actions deploy a1: success"}
	if got := nearbyOf(ask(t, s, correlate.Request{ID: "77"})); !slices.Equal(got, want) {
		t.Errorf("nearby\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A roll-out shows in what its services send of themselves, once.
func TestNearbyVersions(t *testing.T) {
	s := correlatetest.New()
	before := correlatetest.Stream("web", "service.version", "1.0", "k8s.replicaset.name", "web-5d78c9869d")
	after := correlatetest.Stream("web", "service.version", "1.1", "k8s.replicaset.name", "web-7d9f8b6c5d")
	same := correlatetest.Stream("pay", "service.version", "2.0", "container.image.tags", "2.0-a")
	rebuilt := correlatetest.Stream("pay", "service.version", "2.0", "container.image.tags", "2.0-b")
	other := func(st *telemetry.Stream, ms int) telemetry.Span {
		return telemetry.Span{Stream: st, TraceID: correlatetest.Trace("78"), SpanID: correlatetest.Span("1"), Start: correlatetest.At(ms), End: correlatetest.At(ms + 1)}
	}
	s.AddSpans(tenant, other(before, -90_000), other(same, -80_000), sp(after, "1", "", server, 0, 50), sp(rebuilt, "2", "1", server, 5, 20))
	want := []string{"0 web version 1.1 was seen for the first time, after 1.0", "5 pay image 2.0-b was seen for the first time, after 2.0-a"}
	if got := nearbyOf(ask(t, s, correlate.Request{ID: "77"})); !slices.Equal(got, want) {
		t.Errorf("nearby\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
