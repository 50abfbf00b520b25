package otlp_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
	"github.com/clewhq/clew/collector/internal/fake"
	"github.com/clewhq/clew/collector/otlp"
	"github.com/clewhq/clew/internal/tenant"
)

func TestMain(m *testing.M) {
	// The exporters' own tracing would otherwise look for a collector.
	os.Unsetenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	goleak.VerifyTestMain(m)
}

// room is a collector of logs and spans on loopback.
type room struct {
	store   *fake.Records
	clock   *fake.Clock
	reg     *prometheus.Registry
	http    *httptest.Server
	grpc    string // address
	metrics [][]byte
}

func newRoom(t *testing.T, limits body.Limits, cors otlp.CORS) *room {
	t.Helper()
	r := &room{store: &fake.Records{}, clock: &fake.Clock{}, reg: prometheus.NewRegistry()}
	gate := admission.New(admission.DefaultConfig(), admission.Deps{
		Records: r.store, Registerer: r.reg, Logger: slog.New(slog.DiscardHandler), Now: r.clock.Now})
	metrics := func(_ context.Context, _ string, raw []byte) (admission.Outcome, error) {
		r.metrics = append(r.metrics, raw)
		return admission.Outcome{}, nil
	}
	mux := http.NewServeMux()
	h := otlp.NewHTTP(gate, metrics, limits, cors)
	h.Register(mux, "")
	h.Register(mux, "/otlp")
	r.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if name := req.Header.Get(tenant.Header); name != "" {
			req = req.WithContext(tenant.With(req.Context(), name))
		}
		mux.ServeHTTP(w, req)
	}))
	t.Cleanup(r.http.Close)
	r.serveGRPC(t, gate, metrics, limits)
	return r
}

func (r *room) serveGRPC(t *testing.T, gate *admission.Gate, metrics func(context.Context, string, []byte) (admission.Outcome, error), l body.Limits) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(otlp.ServerOptions(l)...)
	otlp.NewGRPC(gate, metrics).Register(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	r.grpc = listener.Addr().String()
}

// expect compares one metric family, given without HELP and TYPE lines.
func (r *room) expect(t *testing.T, name, help string, lines ...string) {
	t.Helper()
	want := "# HELP " + name + " " + help + "\n# TYPE " + name + " counter\n" + strings.Join(lines, "\n") + "\n"
	if err := testutil.GatherAndCompare(r.reg, strings.NewReader(want), name); err != nil {
		t.Error(err)
	}
}
