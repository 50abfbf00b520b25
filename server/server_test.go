package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/clewhq/clew/internal/freeport"
	"github.com/clewhq/clew/server/auth"
	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/storage/local/object"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// started runs a server in this process until the test ends, and demands a
// clean stop.
func started(t *testing.T, change func(*config.Config)) config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Storage.Local.Dir = t.TempDir()
	cfg.Alert.RulesDir = filepath.Join(cfg.Storage.Local.Dir, "rules")
	cfg.Server.HTTPListen, cfg.Server.OTLPHTTPListen, cfg.Server.OTLPGRPCListen = freeAddr(t), freeAddr(t), freeAddr(t)
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	var log bytes.Buffer
	go func() { ended <- Run(ctx, cfg, "test", &log) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v; its log:\n%s", err, log.String())
		}
		http.DefaultClient.CloseIdleConnections()
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if code, _ := get(t, cfg, "/readyz"); code == http.StatusOK {
			return cfg
		}
	}
	t.Fatal("the server did not get ready")
	return cfg
}

func get(t *testing.T, cfg config.Config, path string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+cfg.Server.HTTPListen+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func logRequest(body string) plogotlp.ExportRequest {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	l.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	l.Attributes().PutStr("request.id", "req-7f3a9c21d4")
	l.Body().SetStr(body)
	return plogotlp.NewExportRequestFromLogs(ld)
}

func TestHealthAndStatus(t *testing.T) {
	cfg := started(t, func(c *config.Config) { c.Alert.Alertmanagers = []string{"http://" + freeAddr(t)} })
	conn, err := grpc.NewClient(cfg.Server.OTLPGRPCListen, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := plogotlp.NewGRPCClient(conn).Export(context.Background(), logRequest("hello")); err != nil {
		t.Fatal(err)
	}
	var h Health
	code, text := get(t, cfg, "/api/v1/health")
	if err := json.Unmarshal([]byte(text), &h); err != nil || code != http.StatusOK {
		t.Fatalf("health: %d %s: %v", code, text, err)
	}
	if h.Status != "ok" || h.Version != "test" || len(h.Dependencies) != 3 || h.Memory.Current <= 0 || h.Memory.Limit <= 0 {
		t.Errorf("health: %s", text)
	}
	if d := h.Dependencies[0]; !d.Connected || d.CircuitBreaker != "closed" || d.ResponseTime.Expected <= 0 {
		t.Errorf("the store's health: %+v", d)
	}
	var st Status
	code, text = get(t, cfg, "/api/v1/status")
	if err := json.Unmarshal([]byte(text), &st); err != nil || code != http.StatusOK {
		t.Fatalf("status: %d %s: %v", code, text, err)
	}
	if st.Total["logs"] != 1 || st.SampleID == nil || st.SampleID.ID != "req-7f3a9c21d4" || st.SampleID.Service != "checkout" {
		t.Errorf("status: %s", text)
	}
	if _, text := get(t, cfg, "/metrics"); !strings.Contains(text, `clew_build_info{version="test"} 1`) || !strings.Contains(text, `clew_http_request_duration_seconds_bucket{code="200",method="GET",route="/api/v1/status"`) {
		t.Errorf("/metrics lacks the build or the routes:\n%.3000s", text)
	}
}

func TestClewStoresItsOwnTelemetry(t *testing.T) {
	cfg := started(t, func(c *config.Config) {
		c.Telemetry.SendToSelf = true
		c.Telemetry.StoreMetrics = 1e8
	})
	if code, text := get(t, cfg, "/api/v1/servicemap", "X-Request-Id", "req-5a77e1f0b3"); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	wants := map[string]string{
		"/api/v1/correlate/req-5a77e1f0b3":                                               "GET /api/v1/servicemap",
		"/prometheus/api/v1/query?query=clew_build_info":                                 `"job":"clew"`,
		"/prometheus/api/v1/query?query=clew_http_request_duration_seconds_count%3E%3D1": `"route"`,
	}
	for deadline := time.Now().Add(20 * time.Second); len(wants) > 0; time.Sleep(50 * time.Millisecond) {
		for path, want := range wants {
			if _, text := get(t, cfg, path); strings.Contains(text, want) {
				delete(wants, path)
			} else if time.Now().After(deadline) {
				t.Fatalf("%s: %q is not in %s", path, want, text)
			}
		}
	}
}

func TestAuthentication(t *testing.T) {
	cfg := started(t, func(c *config.Config) {
		c.Auth = auth.Config{Type: "token", Tokens: []auth.Token{{Name: "shop", Token: "s3cret", Tenants: []string{"shop", "bank"}}}}
	})
	const path = "/api/v1/servicemap"
	for _, c := range []struct {
		headers []string
		code    int
	}{
		{nil, 401}, {[]string{"Authorization", "Bearer nope"}, 401},
		{[]string{"Authorization", "Bearer s3cret"}, 200},
		{[]string{"Authorization", "Bearer s3cret", "X-Scope-OrgID", "bank"}, 200},
		{[]string{"Authorization", "Bearer s3cret", "X-Scope-OrgID", "other"}, 403},
	} {
		if code, text := get(t, cfg, path, c.headers...); code != c.code {
			t.Errorf("%v: %d %s, want %d", c.headers, code, text, c.code)
		}
	}
	conn, err := grpc.NewClient(cfg.Server.OTLPGRPCListen, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := plogotlp.NewGRPCClient(conn)
	if _, err := client.Export(context.Background(), logRequest("no")); status.Code(err) != codes.Unauthenticated {
		t.Errorf("gRPC without a token: %v", err)
	}
	as := func(tenant string) context.Context {
		return metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer s3cret", "x-scope-orgid", tenant)
	}
	if _, err := client.Export(as("other"), logRequest("no")); status.Code(err) != codes.PermissionDenied {
		t.Errorf("gRPC for a stranger's tenant: %v", err)
	}
	if _, err := client.Export(as("bank"), logRequest("yes")); err != nil {
		t.Error(err)
	}
	const query = "/loki/api/v1/query_range?query=%7Bservice_name%3D%22checkout%22%7D"
	for tenant, lines := range map[string]int{"bank": 1, "shop": 0} {
		_, text := get(t, cfg, query, "Authorization", "Bearer s3cret", "X-Scope-OrgID", tenant)
		if got := strings.Count(text, `"yes"`); got != lines {
			t.Errorf("tenant %s sees %d lines, want %d: %s", tenant, got, lines, text)
		}
	}
}

func TestAPortThatIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := config.Default()
	cfg.Storage.Local.Dir = t.TempDir()
	cfg.Server.HTTPListen, cfg.Server.OTLPHTTPListen, cfg.Server.OTLPGRPCListen = freeAddr(t), l.Addr().String(), ""
	err = Run(context.Background(), cfg, "test", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "--otlp-http-listen") {
		t.Errorf("got %v; want an error that names the flag", err)
	}
}

func TestCheckData(t *testing.T) {
	cfg := config.Default()
	dir := t.TempDir()
	t.Run("filled", func(t *testing.T) {
		cfg = started(t, func(c *config.Config) { c.Storage.Local.Dir = dir })
		for _, line := range []string{"a line of some length, to be damaged", "another", "the last"} {
			raw, err := logRequest(line).MarshalProto()
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.Post("http://"+cfg.Server.OTLPHTTPListen+"/v1/logs", "application/x-protobuf", bytes.NewReader(raw))
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("%v %v", res, err)
			}
			res.Body.Close()
		}
	})
	var out bytes.Buffer
	if good, err := CheckData(context.Background(), dir, object.Config{}, osFS, &out); !good || err != nil {
		t.Errorf("a good directory: %v %v\n%s", good, err, out.String())
	}
	damage(t, filepath.Join(config.RecordsDir(dir), "wal"))
	out.Reset()
	if good, err := CheckData(context.Background(), dir, object.Config{}, osFS, &out); good || err != nil || !strings.Contains(out.String(), "damaged: ") {
		t.Errorf("a damaged directory: %v %v\n%s", good, err, out.String())
	}
	if _, err := CheckData(context.Background(), t.TempDir(), object.Config{}, osFS, &out); err == nil {
		t.Error("an empty directory passes for a store")
	}
}

// damage flips a bit in the first half of the largest file in dir: the end of
// a log might as well be a write that a power cut tore.
func damage(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	var size int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Size() > size {
			name, size = filepath.Join(dir, e.Name()), info.Size()
		}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/4] ^= 0x10
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
