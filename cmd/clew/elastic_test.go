package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/clewhq/clew/internal/elastictest"
)

// TestElasticsearch runs the program on a real Elasticsearch that asks who
// calls, and behind a way that can be closed.
func TestElasticsearch(t *testing.T) {
	e := &elasticsearch{node: elastictest.StartSecured(t)}
	e.way = elastictest.NewProxy(t, e.node)
	t.Run("another password", e.anotherPassword)
	t.Run("senders while it is away", e.sendersWhileAway)
}

type elasticsearch struct {
	node *elastictest.Node
	way  *elastictest.Proxy
}

// know has the node know clew by a password, and nobody else.
func (e *elasticsearch) know(t *testing.T, password string) {
	t.Helper()
	e.node.SetUsers(t, elastictest.User{
		Name: "clew", Password: password, Cluster: []string{"monitor", "manage_index_templates", "manage_ilm"},
		Names: []string{"logs-*", "traces-*", "clew-*"}, Indices: []string{"all"},
	})
	waitFor(t, "the node knows the user", func() bool {
		res, err := http.Get(strings.Replace(e.node.URL, "//", "//clew:"+password+"@", 1))
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// configure writes a configuration; more are keys of storage.elasticsearch.
func (e *elasticsearch) configure(t *testing.T, path, dataset, more string) {
	t.Helper()
	text := fmt.Sprintf(`
receivers: {admission: {retry_after: 1s}}
storage:
  backend: elasticsearch
  elasticsearch: {addresses: [%q], dataset: %s, replicas: 0, username: clew, %s}
telemetry: {store_metrics: 0s}
`, e.way.URL, dataset, more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// documents is how many records stand in Elasticsearch.
func (e *elasticsearch) documents(t *testing.T, stream string) (n int) {
	t.Helper()
	for _, path := range []string{"/_refresh", "/_count"} {
		res, err := http.Get(e.node.Admin() + "/" + stream + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var out struct{ Count int }
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		n = out.Count
	}
	return n
}

// anotherPassword makes clew's password invalid while lines come in: none is
// refused, health says what to do, and with the new one in the configuration all
// are there, once.
func (e *elasticsearch) anotherPassword(t *testing.T) {
	e.know(t, "first")
	file := filepath.Join(t.TempDir(), "clew.yaml")
	e.configure(t, file, "renewed", "password: first")
	i := newInstance(t, "--config", file)
	i.start()
	var sent []string
	load := func(enough func() bool) {
		t.Helper()
		waitFor(t, "lines are taken until it is enough", func() bool {
			line := fmt.Sprintf("sender 0 line %d", len(sent))
			if !sendLine("http://"+i.otlp+"/v1/logs", line) {
				t.Fatalf("%q was refused", line)
			}
			sent = append(sent, line)
			return enough()
		})
	}
	load(func() bool { return e.documents(t, "logs-renewed-*") > 5 })
	e.know(t, "second")
	load(func() bool {
		_, health := fetch(t, i.url("/api/v1/health"))
		return strings.Contains(health, "set storage.elasticsearch.username and password, or api_key")
	})
	e.configure(t, file, "renewed", "password: second")
	load(func() bool {
		_, health := fetch(t, i.url("/api/v1/health"))
		return !strings.Contains(health, "api_key")
	})
	waitFor(t, "all lines are there, once", func() bool { return lines(t, i, sent) })
	if n := e.documents(t, "logs-renewed-*"); n != len(sent) {
		t.Errorf("%d documents, want %d", n, len(sent))
	}
	if said, err := os.ReadFile(i.log); err != nil || !strings.Contains(string(said), "storage.elasticsearch.password") {
		t.Errorf("the log does not say what has changed: %v\n%s", err, said)
	}
	i.stop()
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// sendersWhileAway fills the write-ahead log while Elasticsearch cannot be
// reached. Each protocol refuses with a reason and a time to come again, and
// exporters that others have made keep what they have until it is back.
func (e *elasticsearch) sendersWhileAway(t *testing.T) {
	e.know(t, "first")
	file := filepath.Join(t.TempDir(), "clew.yaml")
	e.configure(t, file, "away", "password: first, wal_bytes: 100000, breaker_delay: 200ms, retry_backoff_max: 500ms")
	i := newInstance(t, "--config", file)
	i.start()
	e.way.Set(elastictest.Fault{Answer: "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"})
	var sent []string
	waitFor(t, "nothing is taken any more", func() bool {
		before := len(sent)
		for _, size := range []int{2000, 0} { // what is left of the room takes short lines
			for {
				line := fmt.Sprintf("sender 0 line %d%s", len(sent), strings.Repeat(".", size))
				if !sendLine("http://"+i.otlp+"/v1/logs", line) {
					break
				}
				sent = append(sent, line)
			}
		}
		return before > 20 && len(sent) == before
	})
	refusals(t, i)
	exported := startExporters(t, i)
	waitFor(t, "every exporter was refused", func() bool { return exported.refused(t) })
	e.way.Set(elastictest.Fault{})
	exported.wait(t)
	sent = append(sent, exported.lines...)
	waitFor(t, "all lines are there, once", func() bool { return lines(t, i, sent) })
	if logs, spans := e.documents(t, "logs-away-*"), e.documents(t, "traces-away-*"); logs != len(sent) || spans != exported.spans {
		t.Errorf("%d lines and %d spans in Elasticsearch, want %d and %d", logs, spans, len(sent), exported.spans)
	}
	i.stop()
}

// refusals checks what clients are told while nothing is taken.
func refusals(t *testing.T, i *instance) {
	t.Helper()
	now := time.Now().UnixNano()
	for _, c := range []struct{ url, contentType, body string }{
		{"http://" + i.otlp + "/v1/logs", "application/x-protobuf", string(lineRequest("refused"))},
		{i.url("/loki/api/v1/push"), "application/json", fmt.Sprintf(`{"streams": [{"stream": {"a": "b"}, "values": [["%d", "refused"]]}]}`, now)},
		{i.url("/zipkin/api/v2/spans"), "application/json", fmt.Sprintf(`[{"traceId": "463ac35c9f6413ad", "id": "463ac35c9f6413ad", "name": "refused", "timestamp": %d, "duration": 1}]`, now/1000)},
	} {
		res, err := http.Post(c.url, c.contentType, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		said, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "1" || !strings.Contains(string(said), "storage.elasticsearch.wal_bytes is") {
			t.Errorf("%s: %s, Retry-After %q: %q", c.url, res.Status, res.Header.Get("Retry-After"), said)
		}
	}
	conn, err := grpc.NewClient(i.otlpGRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	req := plogotlp.NewExportRequest()
	if err := req.UnmarshalProto(lineRequest("refused")); err != nil {
		t.Fatal(err)
	}
	_, err = plogotlp.NewGRPCClient(conn).Export(t.Context(), req)
	st, after := status.Convert(err), time.Duration(0)
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			after = info.RetryDelay.AsDuration()
		}
	}
	if st.Code() != codes.ResourceExhausted || after != time.Second || !strings.Contains(st.Message(), "storage.elasticsearch.wal_bytes is") {
		t.Errorf("OTLP over gRPC: %v, again after %s", err, after)
	}
}

// exporters are those of OpenTelemetry's SDK, by what carries them, and the
// Collector's in an agent, each with a request under way.
type exporters struct {
	i       *instance
	agent   *agentProcess
	before  map[string]float64 // refusals
	running sync.WaitGroup
	mu      sync.Mutex
	errs    []error
	lines   []string
	spans   int
}

// exporterPatience is how long exporters go on trying; theirs is a minute.
const exporterPatience = 5 * time.Minute

func startExporters(t *testing.T, i *instance) *exporters {
	t.Helper()
	x := &exporters{i: i, agent: newAgent(t, "", "http://"+i.otlp), before: refusedRequests(t, i)}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(x.failed))
	x.agent.start()
	for _, transport := range []string{"http", "grpc"} {
		logs, spans := overHTTP(t, i)
		if transport == "grpc" {
			logs, spans = overGRPC(t, i)
		}
		res := resource.NewSchemaless(attribute.String("service.name", "load"))
		line := "sender 1 over " + transport
		x.lines = append(x.lines, line)
		x.spans++
		x.running.Go(func() {
			p := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(sdklog.NewSimpleProcessor(logs)))
			var r log.Record
			r.SetTimestamp(time.Now())
			r.SetBody(log.StringValue(line))
			p.Logger("").Emit(context.Background(), r)
			x.failed(p.Shutdown(context.Background()))
		})
		x.running.Go(func() {
			p := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithSyncer(spans))
			_, span := p.Tracer("").Start(context.Background(), "over "+transport)
			span.End()
			x.failed(p.Shutdown(context.Background()))
		})
	}
	line := "sender 1 over an agent"
	waitFor(t, "the agent takes a line", func() bool { return sendLine("http://"+x.agent.otlp+"/v1/logs", line) })
	x.lines = append(x.lines, line)
	return x
}

func overHTTP(t *testing.T, i *instance) (sdklog.Exporter, sdktrace.SpanExporter) {
	t.Helper()
	logs, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpointURL("http://"+i.otlp+"/v1/logs"),
		otlploghttp.WithTimeout(exporterPatience), otlploghttp.WithRetry(otlploghttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: time.Second, MaxElapsedTime: exporterPatience}))
	if err != nil {
		t.Fatal(err)
	}
	spans, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL("http://"+i.otlp+"/v1/traces"),
		otlptracehttp.WithTimeout(exporterPatience), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: time.Second, MaxElapsedTime: exporterPatience}))
	if err != nil {
		t.Fatal(err)
	}
	return logs, spans
}

func overGRPC(t *testing.T, i *instance) (sdklog.Exporter, sdktrace.SpanExporter) {
	t.Helper()
	logs, err := otlploggrpc.New(t.Context(), otlploggrpc.WithEndpoint(i.otlpGRPC), otlploggrpc.WithInsecure(),
		otlploggrpc.WithTimeout(exporterPatience), otlploggrpc.WithRetry(otlploggrpc.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: time.Second, MaxElapsedTime: exporterPatience}))
	if err != nil {
		t.Fatal(err)
	}
	spans, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(i.otlpGRPC), otlptracegrpc.WithInsecure(),
		otlptracegrpc.WithTimeout(exporterPatience), otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: time.Second, MaxElapsedTime: exporterPatience}))
	if err != nil {
		t.Fatal(err)
	}
	return logs, spans
}

// refused reports whether each has been told to come again.
func (x *exporters) refused(t *testing.T) bool {
	t.Helper()
	now := refusedRequests(t, x.i)
	for series, n := range x.before {
		if now[series] <= n {
			return false
		}
	}
	return strings.Contains(x.agent.said(t), "nothing gets through to the server")
}

// refusedRequests are the refusals for a full log, by signal and protocol of OTLP.
func refusedRequests(t *testing.T, i *instance) map[string]float64 {
	t.Helper()
	_, text := fetch(t, i.url("/metrics"))
	out := map[string]float64{}
	for _, signal := range []string{"logs", "traces"} {
		for _, protocol := range []string{"otlp_http", "otlp_grpc"} {
			series := fmt.Sprintf(`clew_collector_refused_requests_total{protocol=%q,reason="overloaded",signal=%q} `, protocol, signal)
			out[series] = 0
			if _, rest, found := strings.Cut(text, series); found {
				var n float64
				if _, err := fmt.Sscan(rest, &n); err != nil {
					t.Fatal(err)
				}
				out[series] = n
			}
		}
	}
	return out
}

func (x *exporters) failed(err error) {
	if err != nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.errs = append(x.errs, err)
	}
}

// wait returns once every exporter of the SDK is rid of what it had.
func (x *exporters) wait(t *testing.T) {
	t.Helper()
	x.running.Wait()
	for _, err := range x.errs {
		t.Error(err)
	}
}
