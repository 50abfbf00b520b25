package ship

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/clewhq/clew/loadtest/send"
)

// fakeBytes is what a document takes in a fakeElastic.
const fakeBytes = 100

// fakeElastic counts documents. A POST to /NAME/take adds one for each byte.
type fakeElastic struct {
	server *httptest.Server
	lossy  bool

	mu        sync.Mutex
	docs      map[string]int
	templates map[string]bool
}

func startFakeElastic(t *testing.T, lossy bool) *fakeElastic {
	t.Helper()
	f := &fakeElastic{lossy: lossy, docs: map[string]int{}, templates: map[string]bool{}}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	return f
}

// left is what has not been removed.
func (f *fakeElastic) left() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append(slices.Collect(maps.Keys(f.docs)), slices.Collect(maps.Keys(f.templates))...)
}

// ServeHTTP answers the requests of a comparison.
func (f *fakeElastic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case parts[0] == "_nodes":
		answer(w, map[string]any{"nodes": map[string]any{"n": map[string]any{"process": map[string]any{"cpu": map[string]any{"total_in_millis": 1000}}}}})
	case parts[0] == "_index_template" && r.Method == http.MethodPut:
		f.templates[parts[1]] = true
	case parts[0] == "_index_template":
		if !f.templates[parts[1]] {
			w.WriteHeader(http.StatusNotFound)
		}
		delete(f.templates, parts[1])
	case parts[0] == "_data_stream" && r.Method == http.MethodDelete:
		delete(f.docs, parts[1])
	case parts[0] == "_data_stream":
		found := []string{}
		if _, there := f.docs[parts[1]]; there {
			found = append(found, parts[1])
		}
		answer(w, map[string]any{"data_streams": found})
	case len(parts) == 1:
		answer(w, map[string]any{}) // no index but those of data streams
	case parts[1] == "take":
		n, _ := io.Copy(io.Discard, r.Body)
		f.docs[parts[0]] += int(n)
	case parts[1] == "_stats":
		n := f.docs[parts[0]]
		if f.lossy && n > 0 {
			n--
		}
		answer(w, map[string]any{"_all": map[string]any{"primaries": map[string]any{"indexing": map[string]any{"index_total": n}}}})
	case parts[1] == "_segments":
		shards := map[string]any{}
		for _, name := range strings.Split(parts[0], ",") {
			shards[name] = []any{map[string]any{
				"routing":  map[string]any{"primary": true},
				"segments": map[string]any{"_0": map[string]any{"num_docs": f.docs[name], "size_in_bytes": fakeBytes * f.docs[name]}},
			}}
		}
		answer(w, map[string]any{"indices": map[string]any{"i": map[string]any{"shards": shards}}})
	}
}

func answer(w io.Writer, body any) { _ = json.NewEncoder(w).Encode(body) }

// The addresses in the configurations of both programs.
var (
	readyAt = regexp.MustCompile(`(?:http_listen|health_check: \{endpoint): "([^"]+)"`)
	otlpAt  = regexp.MustCompile(`(?:otlp_http_listen|http: \{endpoint): "([^"]+)"`)
	writeTo = regexp.MustCompile(`(?:addresses: \[|endpoint: )"(http://[^"]+)"`)
)

// beProgram takes OTLP as the configuration says, and tells a fakeElastic how
// many records there were, until it is asked to stop.
func beProgram(config string) int {
	text, err := os.ReadFile(config)
	if err != nil {
		panic(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	find := func(of *regexp.Regexp) string { return string(of.FindSubmatch(text)[1]) }
	streams := collectorStreams
	if strings.Contains(string(text), "dataset: loadtest") {
		streams = sides[0].streams
	}
	to := find(writeTo)
	go listen(find(readyAt), func(http.ResponseWriter, *http.Request) {})
	go listen(find(otlpAt), func(_ http.ResponseWriter, r *http.Request) {
		stream := streams[send.Signal(path.Base(r.URL.Path))]
		resp, err := http.Post(to+"/"+stream+"/take", "text/plain", strings.NewReader(strings.Repeat(".", count(r))))
		if err != nil {
			panic(err)
		}
		_ = resp.Body.Close()
	})
	<-stop
	return 0
}

func listen(address string, handle http.HandlerFunc) {
	panic(fmt.Sprint(http.ListenAndServe(address, handle)))
}

// count is how many records a request has.
func count(r *http.Request) int {
	in, err := gzip.NewReader(r.Body)
	if err != nil {
		return 0
	}
	body, err := io.ReadAll(in)
	if err != nil {
		panic(err)
	}
	if strings.HasSuffix(r.URL.Path, "logs") {
		req := plogotlp.NewExportRequest()
		if err := req.UnmarshalProto(body); err != nil {
			panic(err)
		}
		return req.Logs().LogRecordCount()
	}
	req := ptraceotlp.NewExportRequest()
	if err := req.UnmarshalProto(body); err != nil {
		panic(err)
	}
	return req.Traces().SpanCount()
}
