package agent

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/clewhq/clew/internal/freeport"
)

// process is a running agent.
type process struct {
	cmd  *exec.Cmd
	otlp string // its own OTLP/HTTP address

	mu     sync.Mutex
	output bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

// startAgent runs an agent that reads dir/*.log.
func startAgent(t *testing.T, s *sink, dir string) *process {
	t.Helper()
	return startAgentWith(t, s, dir, nil, "--log-glob", filepath.Join(dir, "*.log"))
}

// startAgentWith runs an agent with more variables and flags.
func startAgentWith(t *testing.T, s *sink, dir string, env []string, more ...string) *process {
	t.Helper()
	otlp := freePort(t)
	p := startProcess(t, s, dir, env, append([]string{"--otlp-grpc-listen", freePort(t), "--otlp-http-listen", otlp,
		"--set", "receivers.file_log/host.poll_interval=20ms"}, more...)...)
	p.otlp = otlp
	return p
}

// startProcess runs the program with any configuration that sends to s.
func startProcess(t *testing.T, s *sink, dir string, env []string, more ...string) *process {
	t.Helper()
	p := &process{}
	args := append([]string{
		"--endpoint", s.URL, "--data-dir", filepath.Join(dir, "state"),
		"--set", "exporters.otlp_http.retry_on_failure.initial_interval=20ms",
		"--set", "exporters.otlp_http.retry_on_failure.max_interval=100ms",
	}, more...)
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = append(append(os.Environ(), asAgent+"=1", "CLEW_TOKEN=s3cret", "CLEW_TENANT=team-a"), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start the agent: %v", err)
	}
	t.Cleanup(func() {
		p.kill(syscall.SIGKILL)
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Logf("the agent said:\n%s", p.output.String())
		}
	})
	return p
}

// kill ends the process and waits for its end.
func (p *process) kill(sig os.Signal) {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(sig)
		_ = p.cmd.Wait()
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Address()
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	return addr
}

func appendLines(t *testing.T, file string, from, to int) {
	t.Helper()
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "2026-01-02T03:04:05.%06dZ ERROR order %d failed\n", i, i)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatalf("open log: %v", err)
	}
	defer f.Close()
	if _, err := f.WriteString(b.String()); err != nil {
		t.Fatalf("write log: %v", err)
	}
}

func TestAgentShips(t *testing.T) {
	s, dir := newSink(t), t.TempDir()
	appendLines(t, filepath.Join(dir, "shop.log"), 0, 3)
	p := startAgent(t, s, dir)
	s.await(t, "the first lines", func() bool { return len(s.logs) == 3 })
	s.await(t, "host metrics", func() bool { return len(s.metrics) > 0 })

	host, _ := os.Hostname()
	l := s.logs[1]
	for key, want := range map[string]string{
		"service.name": "shop", "host.name": host, "host.arch": runtime.GOARCH, "os.type": runtime.GOOS,
		"log.file.name": "shop.log", "log.file.path": filepath.Join(dir, "shop.log"), "log.file.record_offset": "49",
	} {
		if got := l.attr(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if got := l.Timestamp().AsTime(); !got.Equal(time.Date(2026, 1, 2, 3, 4, 5, 1000, time.UTC)) {
		t.Errorf("time is %v, want the line's own", got)
	}
	if l.SeverityNumber() != plog.SeverityNumberError {
		t.Errorf("severity is %v, want error", l.SeverityNumber())
	}
	if got := s.header.Get("Authorization") + " " + s.header.Get("X-Scope-OrgID"); got != "Bearer s3cret team-a" {
		t.Errorf("headers are %q", got)
	}
	metric := s.metrics[0].ResourceMetrics().At(0).Resource().Attributes().AsRaw()
	if metric["service.name"] != "host" || metric["service.instance.id"] != host || metric["host.name"] != host {
		t.Errorf("resource of host metrics is %v", metric)
	}
	checkOTLP(t, s, p, host)
	p.kill(syscall.SIGTERM)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("stopped with code %d, want 0", code)
	}
}

// checkOTLP sends a record to the agent: it must come out as it was, plus the
// host.
func checkOTLP(t *testing.T, s *sink, p *process, host string) {
	t.Helper()
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.Body().SetStr("2020-01-01T00:00:00Z ERROR quoted")
	lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Unix(1700000000, 1)))
	lr.SetTraceID([16]byte{1, 2, 3})
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+p.otlp+"/v1/logs", "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		t.Fatalf("send OTLP: %v", err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	s.await(t, "the OTLP record", func() bool { return len(s.logs) == 4 })
	got := s.logs[3]
	if got.attr("service.name") != "checkout" || got.attr("host.name") != host {
		t.Errorf("resource is %v", got.resource.AsRaw())
	}
	if got.Body().AsString() != lr.Body().AsString() || got.Timestamp() != lr.Timestamp() || got.TraceID() != lr.TraceID() ||
		got.SeverityNumber() != 0 || got.Attributes().Len() != 0 {
		t.Errorf("the record changed on its way: %v %v", got.Body().AsString(), got.Attributes().AsRaw())
	}
}

// TestNothingIsLost has the server refuse, the agent killed, and both again.
func TestNothingIsLost(t *testing.T) {
	s, dir := newSink(t), t.TempDir()
	file := filepath.Join(dir, "shop.log")
	const step = 1000
	appendLines(t, file, 0, step)
	p := startAgent(t, s, dir)
	s.await(t, "lines while all is well", func() bool { return len(s.bodies()) == step })

	stops := []os.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL}
	for round, status := range []int{http.StatusServiceUnavailable, http.StatusUnauthorized, http.StatusInternalServerError} {
		s.status.Store(int64(status))
		before := s.refused.Load()
		appendLines(t, file, step*(round+1), step*(round+2))
		s.await(t, "a refusal", func() bool { return s.refused.Load() > before+2 })
		p.kill(stops[round])
		s.status.Store(0)
		p = startAgent(t, s, dir)
		s.await(t, "what was refused", func() bool { return len(s.bodies()) == step*(round+2) })
	}
	// A kill while lines are written and taken.
	appendLines(t, file, 4*step, 8*step)
	s.await(t, "a part", func() bool { return len(s.bodies()) > 4*step })
	p.kill(syscall.SIGKILL)
	p = startAgent(t, s, dir)
	s.await(t, "the rest", func() bool { return len(s.bodies()) == 8*step })
	p.kill(syscall.SIGTERM)
	checkOrigins(t, s)
}

// TestAPageIsNoReceipt: where a login page answers in the server's place, logs,
// spans and metrics wait, also over a kill, and come once it is the server.
func TestAPageIsNoReceipt(t *testing.T) {
	s, dir := newSink(t), t.TempDir()
	const lines = 100
	for round, status := range []int{http.StatusOK, http.StatusFound} {
		s.status.Store(int64(status))
		s.mu.Lock()
		clear(s.told)
		s.mu.Unlock()
		appendLines(t, filepath.Join(dir, "shop.log"), lines*round, lines*(round+1))
		p := startAgent(t, s, dir)
		sendSpan(t, p, byte(round+1))
		s.await(t, "pages in place of receipts", func() bool {
			return s.told["/v1/logs"] > 1 && s.told["/v1/traces"] > 1 && s.told["/v1/metrics"] > 1
		})
		p.kill(syscall.SIGKILL)
		if said := p.output.String(); !strings.Contains(said, "nothing gets through") || !strings.Contains(said, "the endpoint") || !strings.Contains(said, s.URL) {
			t.Errorf("%d: the agent does not say what to do: %s", status, said)
		}
		s.mu.Lock()
		metrics := len(s.metrics)
		s.mu.Unlock()
		s.status.Store(0)
		p = startAgent(t, s, dir)
		s.await(t, "what waited", func() bool {
			return len(s.bodies()) == lines*(round+1) && len(s.traces) == round+1 && len(s.metrics) > metrics
		})
		p.kill(syscall.SIGTERM)
	}
	checkOrigins(t, s)
}

// sendSpan sends a span to the agent.
func sendSpan(t *testing.T, p *process, id byte) {
	t.Helper()
	traces := ptrace.NewTraces()
	span := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetTraceID([16]byte{id})
	span.SetSpanID([8]byte{id})
	body, err := ptraceotlp.NewExportRequestFromTraces(traces).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Post("http://"+p.otlp+"/v1/traces", "application/x-protobuf", bytes.NewReader(body))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("send a span: %v", err)
		}
	}
}

// checkOrigins: a line may come twice after a kill, but then it says that it
// is the same one.
func checkOrigins(t *testing.T, s *sink) {
	t.Helper()
	origin := map[string]string{}
	twice := 0
	for _, l := range s.logs {
		at := l.attr("log.file.path") + ":" + l.attr("log.file.record_offset")
		if old, ok := origin[at]; ok {
			twice++
			if old != l.Body().AsString() {
				t.Fatalf("two lines claim to stand at %s: %q and %q", at, old, l.Body().AsString())
			}
		}
		origin[at] = l.Body().AsString()
	}
	t.Logf("%d lines, %d of them came twice", len(origin), twice)
}
