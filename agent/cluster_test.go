package agent

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHealthTargets(t *testing.T) {
	for check, want := range map[string]healthTarget{
		"http://checkout:8080/health":                      {"", "", "http://checkout:8080/health"},
		"http://checkout:8080/health?a=b":                  {"", "", "http://checkout:8080/health?a=b"},
		"checkout=https://10.0.0.1/health?a=b":             {"", "checkout", "https://10.0.0.1/health?a=b"},
		"shop/checkout=http://checkout.shop.svc:80/health": {"shop", "checkout", "http://checkout.shop.svc:80/health"},
	} {
		if got := healthTargetOf(check); got != want {
			t.Errorf("%s is %+v, want %+v", check, got, want)
		}
	}
}

// TestHealthChecksByDefault: they are asked where some are named, and are not
// said to be of this host.
func TestHealthChecksByDefault(t *testing.T) {
	o, err := OptionsFromEnv(getenv(map[string]string{"CLEW_AGENT_HEALTH_CHECKS": "shop/checkout=http://checkout/health, http://web/health"}))
	if err != nil {
		t.Fatal(err)
	}
	text, err := DefaultConfig(o, Layout{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := resolve(t, text)
	want := []any{map[string]any{"endpoint": "http://checkout/health", "service": "checkout", "namespace": "shop"},
		map[string]any{"endpoint": "http://web/health", "service": "", "namespace": ""}}
	if diff := cmp.Diff(want, dig(t, cfg, "receivers", "clew_health", "targets")); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{"memory_limiter"}, dig(t, cfg, "service", "pipelines", "metrics/health", "processors")); diff != "" {
		t.Errorf("processors (-want +got):\n%s", diff)
	}
}

// events is an API server that has so many events and tells no more.
func events(t *testing.T, n *atomic.Int64) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event := func(i int64) string {
			return fmt.Sprintf(`{"metadata":{"name":"web.%[1]d","namespace":"shop","resourceVersion":"%[1]d"},"involvedObject":{"kind":"Pod","namespace":"shop","name":"web-0"},`+
				`"reason":"BackOff","message":"event %[1]d","type":"Warning","lastTimestamp":"2026-01-02T03:04:05Z"}`, i)
		}
		var from int64
		_, _ = fmt.Sscan(r.URL.Query().Get("resourceVersion"), &from) // none is 0
		var list []string
		for i := from + 1; i <= n.Load(); i++ {
			list = append(list, event(i))
		}
		if r.URL.Query().Get("watch") == "" {
			fmt.Fprintf(w, `{"metadata":{"resourceVersion":"%d"},"items":[%s]}`, n.Load(), strings.Join(list, ","))
			return
		}
		for _, e := range list {
			fmt.Fprintf(w, `{"type":"ADDED","object":%s}`, e)
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	return s
}

// TestClusterAgent runs what runs once in a cluster: no event is lost and none
// comes twice over a kill while the server is away, and health checks are asked.
func TestClusterAgent(t *testing.T) {
	var n atomic.Int64
	n.Store(3)
	api, s, dir := events(t, &n), newSink(t), t.TempDir()
	health := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status":"UP","components":{"db":{"status":"DOWN"}}}`)) // the asker may have gone
	}))
	defer health.Close()
	start := func() *process {
		return startProcess(t, s, dir, []string{"CLEW_KUBERNETES_API=" + api.URL, "K8S_CLUSTER_NAME=prod"}, "--config", clusterURI,
			"--health-check", "shop/checkout="+health.URL+"/health", "--set", "receivers.clew_health.initial_delay=1ms")
	}
	p := start()
	s.await(t, "the events that there were", func() bool { return len(s.logs) == 3 })
	s.await(t, "what the service says", func() bool { return len(s.metrics) > 0 })
	s.status.Store(http.StatusServiceUnavailable)
	p.kill(syscall.SIGKILL)
	n.Store(5)
	refused := s.refused.Load()
	p = start()
	s.await(t, "that the server is tried", func() bool { return s.refused.Load() > refused })
	p.kill(syscall.SIGKILL)
	s.status.Store(0)
	p = start()
	s.await(t, "the events since", func() bool { return len(s.bodies()) == 5 })
	p.kill(syscall.SIGTERM)
	s.mu.Lock()
	defer s.mu.Unlock()
	var got []string
	for _, l := range s.logs {
		got = append(got, fmt.Sprintf("%s of %s/%s in %s: %s", l.attr("k8s.event.reason"), l.attr("k8s.namespace.name"), l.attr("k8s.object.name"), l.attr("k8s.cluster.name"), l.Body().Str()))
	}
	slices.Sort(got)
	for i, line := range got {
		if want := fmt.Sprintf("BackOff of shop/web-0 in prod: event %d", i+1); line != want {
			t.Errorf("got %q, want %q", line, want)
		}
	}
	if _, ok := s.metrics[0].ResourceMetrics().At(0).Resource().Attributes().Get("host.name"); ok {
		t.Error("a service's health is said to be of the agent's host")
	}
}
