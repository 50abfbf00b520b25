package health_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"
	promstorage "github.com/prometheus/prometheus/storage"

	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/servicemap/health"
	"github.com/clewhq/clew/telemetry"
)

const minute = int64(time.Minute)

// nodes are the map of all situations: a checkout in a pod, which calls a
// payment with a namespace, two databases, a queue and somebody else's host.
var nodes = []health.Subject{
	{ID: "checkout", Service: true}, {ID: "shop/payment", Service: true}, {ID: "web", Service: true},
	{ID: "postgresql:db-1/orders", Address: "db-1"}, {ID: "redis:cache-1", Address: "cache-1"}, {ID: "kafka:orders", Address: "orders"},
	{ID: "pay.example.com", Address: "pay.example.com"},
}

var called = map[string][]string{
	"checkout": {"shop/payment", "postgresql:db-1/orders", "redis:cache-1", "kafka:orders", "pay.example.com"},
	"web":      {"checkout", "redis:cache-1"},
}

// streams are who said something in the range.
var streams = []*telemetry.Stream{
	correlatetest.Stream("checkout", "k8s.pod.name", "checkout-7d9f8b6c5d-x2x4z", "k8s.namespace.name", "shop", "k8s.container.name", "server"),
	correlatetest.Stream("proxy", "k8s.pod.name", "checkout-7d9f8b6c5d-x2x4z", "k8s.namespace.name", "shop", "k8s.container.name", "proxy"),
	correlatetest.Stream("web", "k8s.pod.name", "web-0", "k8s.namespace.name", "shop", "k8s.node.name", "n1"),
}

func event(at int64, kind, name, reason, text string) telemetry.Log {
	return telemetry.Log{Stream: correlatetest.Stream("kubernetes-events"), Time: at * minute, Body: telemetry.String(text), Severity: telemetry.SeverityWarn,
		Attrs: correlatetest.Attrs("k8s.object.kind", kind, "k8s.object.name", name, "k8s.namespace.name", "shop", "k8s.event.reason", reason)}
}

// A situation of the hour from 0:01 to 1:00, and what is to be said of it.
var situations = []struct {
	name    string
	metrics string // in the language of Prometheus's tests, from 0:00 on
	events  []telemetry.Log
	want    []string
}{
	{name: "all is well"},
	{name: "an alert that names the service fires", metrics: `
		ALERTS{alertname="Slow", alertstate="firing", service_name="checkout", severity="warning"} _x30 1x30
		ALERTS_FOR_STATE{alertname="Slow", service_name="checkout", severity="warning"} _x25 1500x35`,
		want: []string{"checkout degraded alert since 25: alert Slow fires, severity warning"}},
	{name: "a critical one means down, and a namespace belongs to the name", metrics: `
		ALERTS{alertname="Dead", alertstate="firing", service="payment", namespace="shop", severity="critical"} _x50 1x10`,
		want: []string{"shop/payment down alert since 50: alert Dead fires, severity critical"}},
	{name: "labels as OpenTelemetry spells them", metrics: `
		{__name__="ALERTS", alertname="Slow", alertstate="firing", "service.name"="payment", "service.namespace"="shop"} 1x60`,
		want: []string{"shop/payment degraded alert since 1: alert Slow fires"}},
	{name: "one of a pod, of a job, of a host", metrics: `
		ALERTS{alertname="P", alertstate="firing", pod="checkout-7d9f8b6c5d-x2x4z", namespace="shop", container="server", job="kube-state-metrics"} 1x60
		ALERTS{alertname="J", alertstate="firing", job="shop/payment"} 1x60
		ALERTS{alertname="H", alertstate="firing", instance="db-1:9187", job="postgres-exporter"} 1x60`,
		want: []string{"checkout degraded alert since 1: alert P fires", "postgresql:db-1/orders degraded alert since 1: alert H fires",
			"shop/payment degraded alert since 1: alert J fires"}},
	{name: "one that only waits is none, and one that is over harms no more", metrics: `
		ALERTS{alertname="A", alertstate="pending", service_name="checkout"} 1x60
		ALERTS{alertname="B", alertstate="firing", service_name="checkout"} _x10 1x10 stale`,
		want: []string{"checkout ok alert since 10 until 21: alert B fired"}},
	{name: "an alert about nobody on the map", metrics: `ALERTS{alertname="A", alertstate="firing", service_name="elsewhere"} 1x60`},
	{name: "a container was started again, as the cluster's receiver counts it", metrics: `
		k8s_container_restarts{k8s_pod_name="checkout-7d9f8b6c5d-x2x4z", k8s_namespace_name="shop", k8s_container_name="server"} 2x50 3 5x10`,
		want: []string{"checkout degraded restarts since 51: container server of pod checkout-7d9f8b6c5d-x2x4z was started again 3 times, last at 00:52:00 UTC"}},
	{name: "and as kube-state-metrics does, with the reason", metrics: `
		kube_pod_container_status_restarts_total{pod="web-0", namespace="shop", container="web"} 0x55 1x5
		kube_pod_container_status_last_terminated_reason{pod="web-0", namespace="shop", container="web", reason="OOMKilled"} _x55 1x5
		kube_pod_container_status_last_terminated_reason{pod="web-0", namespace="shop", container="web", reason="Error"} _x55 0x5`,
		want: []string{"web degraded restarts since 56: container web of pod web-0 was started again once, last at 00:56:00 UTC (OOMKilled)"}},
	{name: "restarts before the range, of another container, and long ago", metrics: `
		kube_pod_container_status_restarts_total{pod="web-0", namespace="shop", container="web"} 7x60
		kube_pod_container_status_restarts_total{pod="checkout-7d9f8b6c5d-x2x4z", namespace="shop", container="server"} 0x9 1x50`,
		want: []string{"checkout ok restarts since 10 until 10: container server of pod checkout-7d9f8b6c5d-x2x4z was started again once, last at 00:10:00 UTC"}},
	{name: "events of Kubernetes, of a pod that never said anything, too", events: []telemetry.Log{
		event(50, "Pod", "checkout-7d9f8b6c5d-x2x4z", "Unhealthy", "Readiness probe failed"), event(55, "Pod", "checkout-7d9f8b6c5d-x2x4z", "Unhealthy", "Readiness probe failed"),
		event(58, "Pod", "web-3", "BackOff", "Back-off restarting failed container"), event(58, "Pod", "web-0", "Killing", "Stopping container web"),
		event(58, "Pod", "web-0", "Scheduled", "assigned"), event(58, "Pod", "other-0", "BackOff", "x"), event(58, "Node", "n1", "NodeNotReady", "x")},
		want: []string{"checkout degraded event since 50: pod checkout-7d9f8b6c5d-x2x4z: Unhealthy, Readiness probe failed (2 events, last at 00:55:00 UTC)",
			"proxy degraded event since 50: pod checkout-7d9f8b6c5d-x2x4z: Unhealthy, Readiness probe failed (2 events, last at 00:55:00 UTC)",
			"web degraded event since 58: pod web-3: BackOff, Back-off restarting failed container"}},
	{name: "a scrape fails for one of two", metrics: `
		up{job="checkout", instance="10.0.0.1:80"} 1x60
		up{job="checkout", instance="10.0.0.2:80"} 1x40 0x20`,
		want: []string{"checkout degraded check since 41: cannot be scraped: 10.0.0.2:80 (1 of 2)"}},
	{name: "and for all", metrics: `
		up{job="checkout", instance="10.0.0.1:80"} 1x50 0x10
		up{job="checkout", instance="10.0.0.2:80"} 1x40 0x20`,
		want: []string{"checkout down check since 41: cannot be scraped: 10.0.0.1:80, 10.0.0.2:80"}},
	{name: "a scrape that works makes well", metrics: `up{job="checkout", instance="10.0.0.1:80"} 1x60`, want: []string{"checkout well"}},
	{name: "a probe of what is probed, not of what probes", metrics: `
		probe_success{job="blackbox", instance="https://pay.example.com/status"} 1x30 0x30
		probe_success{job="blackbox", instance="http://payment.shop.svc.cluster.local:8080/"} 0x60`,
		want: []string{"blackbox metrics only", "pay.example.com down check since 31: the probe fails: https://pay.example.com/status",
			"shop/payment down check since 1: the probe fails: http://payment.shop.svc.cluster.local:8080/"}},
	{name: "an HTTP check: two classes, one check", metrics: `
		httpcheck_status{http_url="http://checkout:8080/health", http_status_class="2xx", http_status_code="200", http_method="GET"} 1x40 0x20
		httpcheck_status{http_url="http://checkout:8080/health", http_status_class="3xx", http_status_code="503", http_method="GET"} 0x60
		httpcheck_status{http_url="http://checkout:8080/health", http_status_class="5xx", http_status_code="503", http_method="GET"} 0x40 1x20
		httpcheck_status{http_url="http://web/", http_status_class="2xx", http_method="GET"} 0x60
		httpcheck_status{http_url="http://web/", http_status_class="3xx", http_method="GET"} 1x60`,
		want: []string{"checkout down check since 41: the health check fails: http://checkout:8080/health", "web well"}},
	{name: "what was checked is checked no more", metrics: `up{job="checkout", instance="a"} 1x10 0x10 _x40`,
		want: []string{"checkout ok check since 11 until 21: could not be scraped", "checkout well"}},
	{name: "a service says what of it is down", metrics: `
		health_status{service_name="checkout", url_full="http://checkout/health"} 1x50 0x10
		health_dependency_status{service_name="checkout", dependency_name="db"} 1x50 0x10
		health_dependency_status{service_name="checkout", dependency_name="redis"} 1x60
		health_dependency_status{service_name="checkout", dependency_name="diskSpace"} 1x60`,
		want: []string{"checkout dependency db=down postgresql:db-1/orders", "checkout dependency diskSpace=ok", "checkout dependency redis=ok redis:cache-1",
			"checkout degraded dependency since 51: its health check says that db is down",
			"checkout down check since 51: says of itself that it is down: http://checkout/health",
			"checkout -> postgresql:db-1/orders down: the health check of checkout says that db is down",
			"postgresql:db-1/orders down dependency since 51: the health check of checkout says that db is down", "redis:cache-1 well"}},
	{name: "two do not agree on what both need", metrics: `
		health_dependency_status{service_name="checkout", dependency_name="cache", dependency_type="Redis"} 0x60
		health_dependency_status{service_name="web", dependency_name="redis"} 1x60`,
		want: []string{"checkout dependency cache=down redis:cache-1", "web dependency redis=ok redis:cache-1",
			"checkout degraded dependency since 1: its health check says that cache is down",
			"checkout -> redis:cache-1 down: the health check of checkout says that cache is down",
			"redis:cache-1 degraded dependency since 1: the health check of checkout says that cache is down"}},
	{name: "half well, by name and by address", metrics: `
		{__name__="health.dependency.status", "service.name"="checkout", "dependency.name"="paymentService"} 0.5x60
		health_dependency_status{service_name="checkout", dependency_name="partner", server_address="https://pay.example.com/ping"} 0x60`,
		want: []string{"checkout dependency partner=down pay.example.com", "checkout dependency paymentService=degraded shop/payment",
			"checkout degraded dependency since 1: its health check says that partner is down",
			"checkout degraded dependency since 1: its health check says that paymentService is degraded",
			"checkout -> pay.example.com down: the health check of checkout says that partner is down",
			"checkout -> shop/payment degraded: the health check of checkout says that paymentService is degraded",
			"pay.example.com down dependency since 1: the health check of checkout says that partner is down",
			"shop/payment degraded dependency since 1: the health check of checkout says that paymentService is degraded"}},
	{name: "services that only metrics tell of", metrics: `
		target_info{job="shop/mailer", instance="a"} 1x60
		requests_total{service_name="mailer", job="shop/mailer"} 1x60
		requests_total{"service.name"="biller"} 1x60
		requests_total{job="checkout"} 1x60
		ALERTS{alertname="A", alertstate="firing", job="nobody"} 1x60`,
		want: []string{"biller metrics only", "shop/mailer metrics only"}},
}

func TestSituations(t *testing.T) {
	for _, c := range situations {
		t.Run(c.name, func(t *testing.T) {
			found := look(t, health.DefaultConfig(), c.metrics, c.events, 60)
			slices.Sort(c.want)
			if got := said(found); !slices.Equal(got, c.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
			}
			for id, reasons := range found.Reasons {
				for _, r := range reasons {
					if r.Link == "" || r.Since == nil {
						t.Errorf("%s: nothing shows it: %+v", id, r)
					}
				}
			}
		})
	}
}

// What came after the range, or before it, is not of it.
func TestOnlyTheRange(t *testing.T) {
	metrics := `load 1m
		ALERTS{alertname="A", alertstate="firing", service_name="checkout"} _x70 1x10
		requests_total{job="late"} _x70 1x10
		up{job="checkout", instance="a"} 1x60 0x20`
	found := look(t, health.DefaultConfig(), metrics, []telemetry.Log{event(65, "Pod", "web-0", "BackOff", "x")}, 60)
	if got := said(found); !slices.Equal(got, []string{"checkout well"}) {
		t.Errorf("got %q", got)
	}
}

func look(t *testing.T, cfg health.Config, metrics string, events []telemetry.Log, minutes int64) *health.Findings {
	t.Helper()
	store := correlatetest.New()
	for _, s := range streams {
		store.AddLogs("acme", telemetry.Log{Stream: s, Time: 30 * minute, Body: telemetry.String("hello")})
	}
	store.AddLogs("acme", events...)
	if !strings.HasPrefix(metrics, "load") {
		metrics = "load 1m\n" + strings.TrimSpace(metrics)
	}
	samples := promqltest.LoadedStorage(t, metrics)
	t.Cleanup(func() { _ = samples.Close() }) // its files go anyway
	j := health.New(cfg, store, func(tenant string) (promstorage.Queryable, error) { return samples, nil })
	found, err := j.Look(t.Context(), health.Question{Tenant: "acme", From: minute, To: minutes * minute, Nodes: nodes, Calls: called})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func said(f *health.Findings) []string {
	var out []string
	for id, reasons := range f.Reasons {
		for _, r := range reasons {
			until := ""
			if r.Until != nil {
				until = fmt.Sprintf(" until %d", r.Until.Unix()/60)
			}
			out = append(out, fmt.Sprintf("%s %s %s since %d%s: %s", id, r.Health, r.Kind, r.Since.Unix()/60, until, r.Text))
		}
	}
	for edge, reasons := range f.Edges {
		for _, r := range reasons {
			out = append(out, fmt.Sprintf("%s -> %s %s: %s", edge[0], edge[1], r.Health, r.Text))
		}
	}
	for id, list := range f.Dependencies {
		for _, d := range list {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s dependency %s=%s %s", id, d.Name, d.Health, d.Target)))
		}
	}
	for _, s := range f.Services {
		out = append(out, s+" metrics only")
	}
	for id := range f.Well {
		out = append(out, id+" well")
	}
	for _, w := range f.Warnings {
		out = append(out, "warning "+w)
	}
	slices.Sort(out)
	return out
}

// What cannot be read is said, and the rest is answered.
func TestWhatCannotBeRead(t *testing.T) {
	cfg := health.DefaultConfig()
	cfg.MaxSamples, cfg.MaxEvents, cfg.MaxServices, cfg.MaxReasons = 10, 1, 1, 1
	metrics := "a{job=\"x\"} 1x60\na{job=\"y\"} 1x60\nup{job=\"checkout\", instance=\"i\"} 0x60"
	events := []telemetry.Log{event(50, "Pod", "web-0", "BackOff", "x"), event(51, "Pod", "web-0", "Unhealthy", "x")}
	got := strings.Join(said(look(t, cfg, metrics, events, 60)), "\n")
	for _, want := range []string{"max_samples", "max_events", "max_metric_services", "web degraded event since 51"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "web degraded event since 50") {
		t.Errorf("more reasons than are wanted:\n%s", got)
	}
	broken := correlatetest.New()
	broken.Err = errors.New("the disk is gone")
	j := health.New(cfg, broken, func(string) (promstorage.Queryable, error) { return nil, errors.New("no metrics today") })
	found, err := j.Look(t.Context(), health.Question{Tenant: "acme", To: 1})
	if err != nil || !strings.Contains(strings.Join(found.Warnings, "\n"), "the disk is gone") || !strings.Contains(strings.Join(found.Warnings, "\n"), "no metrics today") {
		t.Errorf("got %+v, %v", found, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.Look(ctx, health.Question{Tenant: "acme", To: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody asks any more: %v", err)
	}
	for _, none := range []func(string) (promstorage.Queryable, error){nil, func(string) (promstorage.Queryable, error) { return nil, nil }} {
		if found, err := health.New(health.DefaultConfig(), correlatetest.New(), none).Look(t.Context(), health.Question{Tenant: "acme", To: 1}); err != nil || len(said(found)) > 0 {
			t.Errorf("without metrics: %v, %v", found, err)
		}
	}
}

func TestConfig(t *testing.T) {
	if err := health.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*health.Config){
		"lookback": func(c *health.Config) { c.Lookback = 0 }, "settle": func(c *health.Config) { c.Settle = -1 },
		"max_samples": func(c *health.Config) { c.MaxSamples = 0 }, "max_events": func(c *health.Config) { c.MaxEvents = -1 },
		"max_metric_services": func(c *health.Config) { c.MaxServices = -1 }, "max_reasons": func(c *health.Config) { c.MaxReasons = 0 },
	} {
		c := health.DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a wrong %s: %v", name, err)
		}
	}
}
