package agent

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// sink is a server that takes OTLP over HTTP and remembers it.
type sink struct {
	*httptest.Server
	status  atomic.Int64 // what to answer instead of taking; 0 takes, 200 is a web page, 302 leads to one
	refused atomic.Int64
	changed chan struct{}

	mu      sync.Mutex
	logs    []line
	seen    map[string]int // request bodies, by content
	told    map[string]int // refusals, by path
	metrics []pmetric.Metrics
	traces  []ptrace.Traces
	header  http.Header
}

// line is a log record with its resource.
type line struct {
	plog.LogRecord
	resource pcommon.Map
}

func (l line) attr(key string) string {
	if v, ok := l.Attributes().Get(key); ok {
		return v.AsString()
	}
	if v, ok := l.resource.Get(key); ok {
		return v.AsString()
	}
	return ""
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{changed: make(chan struct{}, 1), seen: map[string]int{}, told: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/logs", s.take(func(body []byte) error {
		req := plogotlp.NewExportRequest()
		if err := req.UnmarshalProto(body); err != nil {
			return err
		}
		for _, rl := range req.Logs().ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, lr := range sl.LogRecords().All() {
					s.logs = append(s.logs, line{lr, rl.Resource().Attributes()})
				}
			}
		}
		return nil
	}))
	mux.HandleFunc("POST /v1/metrics", s.take(func(body []byte) error {
		req := pmetricotlp.NewExportRequest()
		err := req.UnmarshalProto(body)
		s.metrics = append(s.metrics, req.Metrics())
		return err
	}))
	mux.HandleFunc("POST /v1/traces", s.take(func(body []byte) error {
		req := ptraceotlp.NewExportRequest()
		err := req.UnmarshalProto(body)
		s.traces = append(s.traces, req.Traces())
		return err
	}))
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>Who are you?</html>") })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// take reads a request and hands its body to keep, with the sink locked. A
// request that comes again, byte for byte, is answered but not kept: so does
// the server.
func (s *sink) take(keep func([]byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := readBody(r)
		if status := int(s.status.Load()); status != 0 {
			s.refuse(w, r, status)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.header = r.Header
		if s.seen[string(body)]++; err == nil && s.seen[string(body)] == 1 {
			err = keep(body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		s.wake()
	}
}

func (s *sink) refuse(w http.ResponseWriter, r *http.Request, status int) {
	s.mu.Lock()
	s.told[r.URL.Path]++
	s.mu.Unlock()
	s.refused.Add(1)
	defer s.wake()
	switch status {
	case http.StatusOK:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<html>Who are you?</html>") // an agent that was killed does not hear it
	case http.StatusFound:
		http.Redirect(w, r, "/login", status)
	default:
		http.Error(w, "not now", status)
	}
}

func readBody(r *http.Request) ([]byte, error) {
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "":
		return io.ReadAll(r.Body)
	case "zstd":
		z, err := zstd.NewReader(r.Body, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return io.ReadAll(z)
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	default:
		return nil, fmt.Errorf("unexpected encoding %q", enc)
	}
}

func (s *sink) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// await returns when done says so; it is asked whenever something arrived.
func (s *sink) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(time.Minute) // only a busy machine needs it
	for {
		s.mu.Lock()
		ok := done()
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-s.changed:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// bodies returns how often each line came; call it with the sink locked.
func (s *sink) bodies() map[string]int {
	out := map[string]int{}
	for _, l := range s.logs {
		out[l.Body().AsString()]++
	}
	return out
}
