package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/internal/freeport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// points renders metrics, but for how long answers took.
func rendered(ms pmetric.Metrics) (out []string) {
	for _, rm := range ms.ResourceMetrics().All() {
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			list := pmetric.NewNumberDataPointSlice()
			switch m.Type() {
			case pmetric.MetricTypeGauge:
				list = m.Gauge().DataPoints()
			case pmetric.MetricTypeSum:
				list = m.Sum().DataPoints()
			}
			for _, p := range list.All() {
				value := fmt.Sprint(p.DoubleValue())
				if m.Name() == "httpcheck.duration" {
					value = "some ms"
				}
				out = append(out, fmt.Sprintf("%v %s%v %s", rm.Resource().Attributes().AsRaw(), m.Name(), p.Attributes().AsRaw(), value))
			}
		}
	}
	slices.Sort(out)
	return out
}

// received runs the receiver until it has asked everybody once.
func received(t *testing.T, cfg *Config) pmetric.Metrics {
	t.Helper()
	sink := new(consumertest.MetricsSink)
	r, err := NewFactory().CreateMetrics(t.Context(), receivertest.NewNopSettings(NewFactory().Type()), cfg, sink)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if all := sink.AllMetrics(); len(all) > 0 {
			return all[0]
		}
	}
	t.Fatal("nothing was received")
	return pmetric.Metrics{}
}

func TestReceiver(t *testing.T) {
	body, err := os.ReadFile("testdata/terminus.json")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("X-Token")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(body)
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	nobody, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	cfg := configOf(t, map[string]any{"initial_delay": "1ms", "targets": []any{
		map[string]any{"endpoint": strings.Replace(s.URL, "http://", "http://u:p@", 1) + "/health?key=secret", "service": "web", "namespace": "shop", "headers": map[string]any{"X-Token": "t"}},
		map[string]any{"endpoint": "http://" + nobody + "/health"},
	}})
	got := rendered(received(t, cfg))
	web := "map[service.instance.id:" + host + " service.name:web service.namespace:shop] "
	gone := "map[service.instance.id:" + nobody + " service.name:127.0.0.1] "
	want := []string{
		web + "health.dependency.status" + "map[dependency.name:cache] 1", web + "health.dependency.status" + "map[dependency.name:stock] 0",
		web + "health.status" + "map[url.full:" + s.URL + "/health] 0",
		web + "httpcheck.duration" + "map[http.url:" + s.URL + "/health] some ms", gone + "httpcheck.duration" + "map[http.url:http://" + nobody + "/health] some ms",
		gone + "httpcheck.error" + "map[error.type:connection_refused http.url:http://" + nobody + "/health] 1",
	}
	for _, class := range classes {
		value := "0"
		if class == "5xx" {
			value = "1"
		}
		want = append(want, web+"httpcheck.status"+"map[http.method:GET http.status_class:"+class+" http.status_code:503 http.url:"+s.URL+"/health] "+value,
			gone+"httpcheck.status"+"map[http.method:GET http.status_class:"+class+" http.status_code:0 http.url:http://"+nobody+"/health] 0")
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	if token := <-asked; token != "t" {
		t.Errorf("asked with %q", token)
	}
}

func configOf(t *testing.T, settings map[string]any) *Config {
	t.Helper()
	cfg := defaultConfig().(*Config)
	if err := confmap.NewFromStringMap(settings).Unmarshal(cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestConfig(t *testing.T) {
	target := func(endpoint string) []any { return []any{map[string]any{"endpoint": endpoint}} }
	for endpoint, wrong := range map[string]string{"http://a/health": "", "https://a:1": "", "a:1": "targets[0].endpoint", "ftp://a": "targets[0].endpoint", "http://": "targets[0].endpoint"} {
		err := configOf(t, map[string]any{"targets": target(endpoint)}).Validate()
		if (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
	if err := configOf(t, nil).Validate(); err == nil {
		t.Error("nobody to ask is no error")
	}
}

func TestKindsOfErrors(t *testing.T) {
	for want, err := range map[string]error{
		"name_not_known": &net.DNSError{}, "connection_refused": syscall.ECONNREFUSED, "connection_closed": io.ErrUnexpectedEOF,
		"timeout": &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, "other": errors.New("x"),
	} {
		if got := kindOf(fmt.Errorf("asked: %w", err)); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}
