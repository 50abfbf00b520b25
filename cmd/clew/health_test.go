package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/servicemap"
)

// alertRules make one alert fire, from logs.
const alertRules = `groups:
  - name: shop
    interval: 1s
    rules:
      - alert: PaymentTalks
        expr: sum by (service_name) (count_over_time({service_name="payment"}[15m])) > 0
        labels: {severity: critical}
`

// TestHealthOnTheMap has a server, its rules and the agent of a cluster do what
// they do, and looks for each reason where it belongs: on the map, in the
// terminal and on the page.
func TestHealthOnTheMap(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "rules")
	if err := os.MkdirAll(filepath.Join(rules, "logql"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(rules, "logql", "shop.yaml"), []byte(alertRules), 0o600); err != nil {
		t.Fatal(err)
	}
	i := newInstance(t, "--rules-dir", rules)
	i.start()
	s := newShop()
	s.send(i)
	sendMailer(i, s)
	spring := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"DOWN","components":{"db":{"status":"DOWN","details":{"error":"connection refused"}},"diskSpace":{"status":"UP"}}}`))
	}))
	t.Cleanup(spring.Close)
	api := clusterWithOneEvent(s)
	t.Cleanup(api.Close) // when the agent has ended, which watches
	runClusterAgent(t, i, api.URL, "checkout="+spring.URL+"/actuator/health")

	want := []string{
		"checkout down check: says of itself that it is down", "checkout down check: the health check fails", "checkout degraded dependency: its health check says that db is down",
		"checkout -> postgresql:db-1/shop down: the health check of checkout says that db is down",
		"postgresql:db-1/shop down dependency: the health check of checkout says that db is down",
		"payment down alert: alert PaymentTalks fires, severity critical", "payment down errors: 100% of 1 call failed",
		"mailer degraded event: pod mailer-0: BackOff, Back-off restarting failed container",
		"mailer degraded restarts: container mailer of pod mailer-0 was started again once", "biller (metrics)",
	}
	var m servicemap.Map
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		m = servicemap.Map{}
		i.ask("/api/v1/servicemap", s.window(), &m)
		if missing := without(want, reasonsOf(&m)); len(missing) == 0 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("not on the map:\n%s\nthere is\n%s", strings.Join(missing, "\n"), strings.Join(reasonsOf(&m), "\n"))
		}
	}
	for id, health := range map[string]string{"checkout": "down", "payment": "down", "mailer": "degraded", "gateway": "ok", "postgresql:db-1/shop": "down", "biller": "unknown"} {
		if n := m.Nodes[slices.IndexFunc(m.Nodes, func(n servicemap.Node) bool { return n.ID == id })]; n.Health != health {
			t.Errorf("%s is %s, want %s: %v", id, n.Health, health, n.Reasons)
		}
	}
	out, code := clew(t, "map", "--server", i.url(""))
	contains(t, "clew map", out, "its health check says that db is down", "alert PaymentTalks fires", "was started again once", "metrics")
	if code != 0 {
		t.Errorf("clew map ended with %d", code)
	}
	contains(t, "the page", browse(t, i.url("/#/map")), "alert PaymentTalks fires", "its health check says that db is down", "class=\"node down\"", "metrics only")
	var story correlate.Answer
	i.ask("/api/v1/correlate/req-mail-7f3a9c21", nil, &story)
	if len(story.Nearby) == 0 || story.Nearby[0].Service != "pod/mailer-0" {
		t.Errorf("the event is not in the story of what the pod did: %+v", story.Nearby)
	}
}

// reasonsOf renders what a map says of its nodes' health.
func reasonsOf(m *servicemap.Map) (out []string) {
	for _, n := range m.Nodes {
		out = append(out, fmt.Sprintf("%s (%s)", n.ID, n.Evidence))
		for _, r := range n.Reasons {
			out = append(out, fmt.Sprintf("%s %s %s: %s", n.ID, r.Health, r.Kind, r.Text))
		}
	}
	for _, e := range m.Edges {
		for _, r := range e.Reasons {
			out = append(out, fmt.Sprintf("%s -> %s %s: %s", e.Source, e.Target, e.Health, r.Text))
		}
	}
	return out
}

// without returns those of want with which none of got begins.
func without(want, got []string) (missing []string) {
	for _, w := range want {
		if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, w) }) {
			missing = append(missing, w)
		}
	}
	return missing
}

// sendMailer sends what tells of a pod: a log record with an ID, a restart of
// its container, and the metrics of a service that sends nothing else.
func sendMailer(i *instance, s shop) {
	i.t.Helper()
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	pod := func(attrs pcommon.Map) {
		attrs.PutStr("k8s.pod.name", "mailer-0")
		attrs.PutStr("k8s.namespace.name", "shop")
		attrs.PutStr("k8s.container.name", "mailer")
	}
	pod(rl.Resource().Attributes())
	rl.Resource().Attributes().PutStr("service.name", "mailer")
	l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	l.SetTimestamp(s.at(0))
	l.Body().SetStr("mail sent request_id=req-mail-7f3a9c21")
	logs, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	if err != nil {
		i.t.Fatal(err)
	}
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	pod(rm.Resource().Attributes())
	restarts := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	restarts.SetName("k8s.container.restarts")
	restarts.SetUnit("{restart}")
	for n, at := range []time.Duration{0, 30 * time.Second} {
		p := restarts.SetEmptyGauge
		if n > 0 {
			p = restarts.Gauge
		}
		point := p().DataPoints().AppendEmpty()
		point.SetTimestamp(s.at(at))
		point.SetIntValue(int64(n + 1))
	}
	rm = md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "biller")
	bills := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	bills.SetName("bills")
	point := bills.SetEmptyGauge().DataPoints().AppendEmpty()
	point.SetTimestamp(s.at(0))
	point.SetIntValue(7)
	metrics, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		i.t.Fatal(err)
	}
	for path, body := range map[string][]byte{"/v1/logs": logs, "/v1/metrics": metrics} {
		if code, answer := post(i.t, "http://"+i.otlp+path, "application/x-protobuf", body); code != http.StatusOK {
			i.t.Fatalf("%s: %d %s", path, code, answer)
		}
	}
}

// clusterWithOneEvent is an API server that has one event and tells no more.
func clusterWithOneEvent(s shop) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") == "" {
			fmt.Fprintf(w, `{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"mailer-0.1","namespace":"shop","resourceVersion":"7"},`+
				`"involvedObject":{"kind":"Pod","namespace":"shop","name":"mailer-0"},"reason":"BackOff","message":"Back-off restarting failed container",`+
				`"type":"Warning","count":3,"lastTimestamp":%q}]}`, s.start.Add(20*time.Second).UTC().Format(time.RFC3339))
			return
		}
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
}

// runClusterAgent runs the agent of a cluster until the test ends.
func runClusterAgent(t *testing.T, i *instance, api, check string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "--config", "clew:cluster", "--endpoint", "http://"+i.otlp, "--data-dir", dir, "--health-check", check,
		"--set", "receivers.clew_health.initial_delay=1ms", "--set", "receivers.clew_health.collection_interval=1s")
	cmd.Env = append(os.Environ(), asAgent+"=1", "CLEW_KUBERNETES_API="+api)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended already
		_ = cmd.Wait()
	})
}
