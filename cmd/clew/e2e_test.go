package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/clewhq/clew/agent"
	"github.com/clewhq/clew/internal/freeport"
)

// asProgram makes the test binary be clew itself, so that the tests run,
// signal and kill the real program without building it a second time.
const asProgram = "CLEW_TEST_AS_PROGRAM"

// asAgent makes the test binary be clew-agent.
const asAgent = "CLEW_TEST_AS_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(run(ctx, rootCommand(), os.Args[1:]))
	}
	if os.Getenv(asAgent) != "" {
		if err := agent.NewCommand("test").Execute(); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// clew runs a client command against a server and returns its output and exit
// code.
func clew(t *testing.T, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatalf("run clew %q: %v", args, err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// instance is a running `clew serve`.
type instance struct {
	t                    *testing.T
	dir                  string
	http, otlp, otlpGRPC string
	extra                []string
	cmd                  *exec.Cmd
	log                  string
}

func newInstance(t *testing.T, extra ...string) *instance {
	t.Helper()
	i := &instance{t: t, dir: filepath.Join(t.TempDir(), "data"), http: freeAddr(t), otlp: freeAddr(t), otlpGRPC: freeAddr(t), extra: extra}
	i.log = filepath.Join(t.TempDir(), "server.log")
	t.Cleanup(func() { i.kill() })
	return i
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func (i *instance) start() {
	i.t.Helper()
	args := append([]string{"serve", "--data-dir", i.dir, "--http-listen", i.http, "--otlp-grpc-listen", i.otlpGRPC, "--otlp-http-listen", i.otlp,
		"--rules-dir", filepath.Join(i.dir, "no-rules")}, i.extra...)
	i.cmd = exec.Command(os.Args[0], args...)
	i.cmd.Env = append(os.Environ(), asProgram+"=1")
	f, err := os.OpenFile(i.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		i.t.Fatal(err)
	}
	defer f.Close()
	i.cmd.Stdout, i.cmd.Stderr = f, f
	if err := i.cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		if res, err := http.Get(i.url("/readyz")); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	out, _ := os.ReadFile(i.log)
	i.t.Fatalf("the server did not get ready:\n%s", out)
}

// kill is a power cut for the process: no handler runs.
func (i *instance) kill() {
	if i.cmd != nil {
		_ = i.cmd.Process.Kill() // it may have ended already
		_ = i.cmd.Wait()
		i.cmd = nil
	}
}

// stop asks politely and demands a clean exit.
func (i *instance) stop() {
	i.t.Helper()
	if err := i.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		i.t.Fatal(err)
	}
	if err := i.cmd.Wait(); err != nil {
		out, _ := os.ReadFile(i.log)
		i.t.Errorf("a stop ended with %v:\n%s", err, out)
	}
	i.cmd = nil
}

func (i *instance) url(path string) string { return "http://" + i.http + path }

// post sends body and returns the answer.
func post(t *testing.T, url, contentType string, body []byte, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	for h := 0; h+1 < len(headers); h += 2 {
		req.Header.Set(headers[h], headers[h+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(out)
}

// ask gets JSON into v.
func (i *instance) ask(path string, query url.Values, v any) {
	i.t.Helper()
	u := i.url(path)
	if query != nil {
		u += "?" + query.Encode()
	}
	res, err := http.Get(u)
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		i.t.Fatalf("GET %s: %s\n%s", u, res.Status, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		i.t.Fatalf("GET %s: %v\n%s", u, err, body)
	}
}

// shop is a little truth: one order through three services, told by spans,
// logs and a metric.
type shop struct {
	start   time.Time
	traceID pcommon.TraceID
}

const orderID = "ord_7f3k9x2m4q"

func newShop() shop {
	return shop{start: time.Now().Add(-2 * time.Minute).Truncate(time.Millisecond), traceID: pcommon.TraceID{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36}}
}

func (s shop) at(d time.Duration) pcommon.Timestamp {
	return pcommon.NewTimestampFromTime(s.start.Add(d))
}

func (s shop) spans() []byte {
	td := ptrace.NewTraces()
	add := func(service string, id, parent byte, kind ptrace.SpanKind, name string, from, to time.Duration) ptrace.Span {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", service)
		sp := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		sp.SetTraceID(s.traceID)
		sp.SetSpanID(pcommon.SpanID{id})
		if parent != 0 {
			sp.SetParentSpanID(pcommon.SpanID{parent})
		}
		sp.SetKind(kind)
		sp.SetName(name)
		sp.SetStartTimestamp(s.at(from))
		sp.SetEndTimestamp(s.at(to))
		return sp
	}
	ms := time.Millisecond
	add("gateway", 1, 0, ptrace.SpanKindServer, "POST /orders", 0, 300*ms)
	add("gateway", 2, 1, ptrace.SpanKindClient, "POST checkout", 10*ms, 290*ms)
	add("checkout", 3, 2, ptrace.SpanKindServer, "POST /checkout", 20*ms, 280*ms).Attributes().PutStr("order.id", orderID)
	db := add("checkout", 4, 3, ptrace.SpanKindClient, "INSERT orders", 30*ms, 60*ms)
	db.Attributes().PutStr("db.system.name", "postgresql")
	db.Attributes().PutStr("server.address", "db-1")
	db.Attributes().PutStr("db.namespace", "shop")
	add("checkout", 5, 3, ptrace.SpanKindClient, "charge", 70*ms, 270*ms)
	pay := add("payment", 6, 5, ptrace.SpanKindServer, "charge", 80*ms, 260*ms)
	pay.Status().SetCode(ptrace.StatusCodeError)
	pay.Status().SetMessage("card declined")
	ev := pay.Events().AppendEmpty()
	ev.SetName("exception")
	ev.SetTimestamp(s.at(250 * ms))
	ev.Attributes().PutStr("exception.type", "CardDeclined")
	out, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	if err != nil {
		panic(err)
	}
	return out
}

func (s shop) logs() []byte {
	ld := plog.NewLogs()
	add := func(service, body string, at time.Duration, sev plog.SeverityNumber) plog.LogRecord {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", service)
		l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		l.SetTimestamp(s.at(at))
		l.SetSeverityNumber(sev)
		l.Body().SetStr(body)
		return l
	}
	ms := time.Millisecond
	l := add("checkout", "order accepted", 40*ms, plog.SeverityNumberInfo)
	l.SetTraceID(s.traceID)
	l.SetSpanID(pcommon.SpanID{3})
	l.Attributes().PutStr("order.id", orderID)
	l = add("payment", "charge failed: card declined", 255*ms, plog.SeverityNumberError)
	l.SetTraceID(s.traceID)
	l.SetSpanID(pcommon.SpanID{6})
	add("mailer", fmt.Sprintf("no mail for %s: it was not paid", orderID), 400*ms, plog.SeverityNumberWarn)
	out, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	if err != nil {
		panic(err)
	}
	return out
}

func (s shop) metrics() []byte {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "checkout")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("checkout.duration")
	m.SetUnit("s")
	m.SetDescription("how long a checkout takes")
	h := m.SetEmptyHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := h.DataPoints().AppendEmpty()
	p.SetStartTimestamp(s.at(-time.Minute))
	p.SetTimestamp(s.at(300 * time.Millisecond))
	p.ExplicitBounds().FromRaw([]float64{0.1, 0.5})
	p.BucketCounts().FromRaw([]uint64{1, 2, 0})
	p.SetCount(3)
	p.SetSum(0.7)
	e := p.Exemplars().AppendEmpty()
	e.SetDoubleValue(0.26)
	e.SetTraceID(s.traceID)
	e.SetTimestamp(s.at(300 * time.Millisecond))
	out, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		panic(err)
	}
	return out
}

// send puts the whole truth in, over OTLP/HTTP and Loki's push.
func (s shop) send(i *instance) {
	i.t.Helper()
	for path, body := range map[string][]byte{"/v1/traces": s.spans(), "/v1/logs": s.logs(), "/v1/metrics": s.metrics()} {
		if code, text := post(i.t, "http://"+i.otlp+path, "application/x-protobuf", body); code != http.StatusOK {
			i.t.Fatalf("POST %s: %d %s", path, code, text)
		}
	}
	push := fmt.Sprintf(`{"streams":[{"stream":{"app":"warehouse","env":"test"},"values":[["%d","picked %s from shelf 7",{"shelf":"7"}]]}]}`,
		s.start.Add(500*time.Millisecond).UnixNano(), orderID)
	if code, text := post(i.t, i.url("/loki/api/v1/push"), "application/json", []byte(push)); code != http.StatusNoContent {
		i.t.Fatalf("Loki push: %d %s", code, text)
	}
}

func (s shop) window() url.Values {
	return url.Values{"start": {fmt.Sprint(s.start.Add(-time.Hour).UnixNano())}, "end": {fmt.Sprint(s.start.Add(time.Hour).UnixNano())}}
}

func with(v url.Values, kv ...string) url.Values {
	out := url.Values{}
	for k, vs := range v {
		out[k] = vs
	}
	for i := 0; i+1 < len(kv); i += 2 {
		out.Set(kv[i], kv[i+1])
	}
	return out
}

func contains(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, w := range wants {
		if !strings.Contains(text, w) {
			t.Errorf("%s: %q is not in:\n%s", what, w, text)
		}
	}
}
