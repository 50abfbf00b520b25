package kubevents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/correlation/kubernetes"
	"github.com/clewhq/clew/telemetry/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is an API server as far as events go: listings in pages, watches
// with bookmarks that end now and then, and old versions that are forgotten.
type cluster struct {
	mu      sync.Mutex
	events  []map[string]any // the version of each is its place, from 1
	changed chan struct{}    // closed when there is more
	from    int              // what came before is forgotten
	page    int
	refuse  int // so many requests
	auth    []string
	server  *httptest.Server
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{changed: make(chan struct{}), page: 2}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/events", func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, "") })
	mux.HandleFunc("GET /api/v1/namespaces/{namespace}/events", func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, r.PathValue("namespace")) })
	c.server = httptest.NewServer(mux)
	t.Cleanup(c.server.Close)
	return c
}

// began is when the events of the tests begin.
var began = time.Date(2020, 3, 4, 12, 0, 0, 0, time.UTC)

func (c *cluster) add(namespace, pod, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.events) + 1
	c.events = append(c.events, map[string]any{"kind": "Event", "apiVersion": "v1",
		"metadata": map[string]any{"name": fmt.Sprintf("%s.%d", pod, n), "namespace": namespace, "uid": fmt.Sprint("uid-", n), "resourceVersion": fmt.Sprint(n),
			"creationTimestamp": began.Format(time.RFC3339)},
		"involvedObject": map[string]any{"kind": "Pod", "namespace": namespace, "name": pod, "uid": "u", "apiVersion": "v1", "resourceVersion": "77", "fieldPath": "spec.containers{server}"},
		"reason":         reason, "message": reason + " of " + pod, "source": map[string]any{"component": "kubelet", "host": "node-1"},
		"firstTimestamp": began.Format(time.RFC3339), "lastTimestamp": began.Add(time.Duration(n) * time.Second).Format(time.RFC3339), "count": n, "type": "Warning",
		"eventTime": nil, "reportingComponent": "kubelet", "reportingInstance": "node-1"})
	close(c.changed)
	c.changed = make(chan struct{})
}

// forget drops what came before, as the API server does after an hour.
func (c *cluster) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from = len(c.events) + 1
}

func (c *cluster) after(version int, namespace string) (out []map[string]any, last int, more chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := version; i < len(c.events); i++ {
		if namespace == "" || c.events[i]["metadata"].(map[string]any)["namespace"] == namespace {
			out = append(out, c.events[i])
		}
	}
	return out, len(c.events), c.changed
}

func (c *cluster) serve(w http.ResponseWriter, r *http.Request, namespace string) {
	c.mu.Lock()
	c.auth = append(c.auth, r.Header.Get("Authorization"))
	refuse, forgotten := c.refuse > 0, c.from
	c.refuse--
	c.mu.Unlock()
	q := r.URL.Query()
	var version int
	_, _ = fmt.Sscan(q.Get("resourceVersion"), &version) // none is 0
	switch {
	case refuse:
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"kind":"Status","message":"events is forbidden: User \"clew\" cannot watch"}`))
	case q.Get("watch") == "":
		c.list(w, q.Get("continue"), namespace)
	case version+1 < forgotten:
		_, _ = w.Write([]byte(`{"type":"ERROR","object":{"kind":"Status","message":"too old resource version","code":410}}` + "\n"))
	default:
		c.watch(r.Context(), w, version, namespace)
	}
}

func (c *cluster) list(w http.ResponseWriter, token, namespace string) {
	var skip int
	_, _ = fmt.Sscan(token, &skip) // none is 0
	items, last, _ := c.after(0, namespace)
	meta := map[string]any{"resourceVersion": fmt.Sprint(last)}
	items = items[skip:]
	if len(items) > c.page {
		items = items[:c.page]
		meta["continue"] = fmt.Sprint(skip + c.page)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "EventList", "metadata": meta, "items": items}) // the asker may have gone
}

// watch tells of at most three events, and of a bookmark, and ends.
func (c *cluster) watch(ctx context.Context, w http.ResponseWriter, version int, namespace string) {
	enc := json.NewEncoder(w)
	for sent := 0; sent < 3; {
		items, last, more := c.after(version, namespace)
		for _, e := range items {
			_ = enc.Encode(map[string]any{"type": "ADDED", "object": e}) // the asker may have gone
			sent++
		}
		version = last
		_ = enc.Encode(map[string]any{"type": "BOOKMARK", "object": map[string]any{"kind": "Event", "metadata": map[string]any{"resourceVersion": fmt.Sprint(last), "creationTimestamp": nil}}})
		w.(http.Flusher).Flush()
		select {
		case <-ctx.Done():
			return
		case <-more:
		}
	}
}

// sink keeps what is taken, and refuses first as often as it is told to.
type sink struct {
	mu     sync.Mutex
	refuse []error
	got    []string
	logs   []plog.Logs
	more   chan struct{}
}

func newSink(refuse ...error) *sink { return &sink{refuse: refuse, more: make(chan struct{}, 1000)} }

func (s *sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (s *sink) ConsumeLogs(_ context.Context, ld plog.Logs) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refuse) > 0 {
		err := s.refuse[0]
		s.refuse = s.refuse[1:]
		return err
	}
	for _, rl := range ld.ResourceLogs().All() {
		for _, l := range rl.ScopeLogs().At(0).LogRecords().All() {
			s.got = append(s.got, l.Body().Str())
			s.more <- struct{}{}
		}
	}
	copied := plog.NewLogs()
	ld.CopyTo(copied)
	s.logs = append(s.logs, copied)
	return nil
}

// wait waits for n records in all and returns them.
func (s *sink) wait(t *testing.T, n int) []string {
	t.Helper()
	for range n {
		select {
		case <-s.more:
		case <-time.After(20 * time.Second):
			t.Fatalf("waited for %d, got %q", n, s.texts())
		}
	}
	return s.texts()
}

func (s *sink) texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// memory is a storage extension that outlives the receiver.
type memory struct {
	component.StartFunc
	component.ShutdownFunc
	mu   sync.Mutex
	data map[string][]byte
}

func (m *memory) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return client{m}, nil
}

type client struct{ *memory }

func (c client) Get(_ context.Context, key string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.data[key], nil
}

func (c client) Set(_ context.Context, key string, value []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.data[key] = slices.Clone(value)
	return nil
}

func (client) Delete(context.Context, string) error               { return nil }
func (client) Batch(context.Context, ...*storage.Operation) error { return nil }
func (client) Close(context.Context) error                        { return nil }

type host struct{ disk *memory }

var diskID = component.MustNewID("memory")

func (h host) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{diskID: h.disk}
}

// run starts a receiver and returns what stops it.
func run(t *testing.T, c *cluster, s *sink, disk *memory, settings map[string]any) func() {
	t.Helper()
	cfg := defaultConfig().(*Config)
	all := map[string]any{"endpoint": c.server.URL, "retry_initial": "1ms", "retry_max": "5ms", "cluster": "prod", "token_file": "/no-such-file", "ca_file": "/no-such-file"}
	if disk != nil {
		all["storage"] = "memory"
	}
	for k, v := range settings {
		all[k] = v
	}
	if err := confmap.NewFromStringMap(all).Unmarshal(cfg); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	r, err := NewFactory().CreateLogs(t.Context(), receivertest.NewNopSettings(NewFactory().Type()), cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), host{disk}); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if err := r.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// numbered are the texts of events n to m.
func numbered(from, to int) (out []string) {
	for n := from; n <= to; n++ {
		out = append(out, fmt.Sprintf("BackOff of web-%d", n))
	}
	return out
}

// Every event comes once: those from before the start, those that are watched
// over watches that end, those while the receiver does not run, and those after
// the API server has forgotten where it was.
func TestNoneIsLostAndNoneComesTwice(t *testing.T) {
	c, disk := newCluster(t), &memory{data: map[string][]byte{}}
	n := 0
	more := func(count int) {
		for range count {
			n++
			c.add("shop", fmt.Sprintf("web-%d", n), "BackOff")
		}
	}
	more(5)
	s := newSink(errors.New("the queue is full"), errors.New("still"))
	stop := run(t, c, s, disk, nil)
	defer stop()
	s.wait(t, 5)
	for range 8 {
		more(1)
		s.wait(t, 1)
	}
	stop()
	more(4) // nobody watches
	stop = run(t, c, s, disk, nil)
	defer stop()
	s.wait(t, 4)
	stop()
	more(3)
	c.forget()
	more(2)
	stop = run(t, c, s, disk, nil)
	defer stop()
	s.wait(t, 6) // the last one that was seen is of the same second as its listing
	more(2)
	got := s.wait(t, 2)
	stop()
	want := append(numbered(1, 17), numbered(17, n)...)
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// Without storage a start is a beginning.
func TestWithoutStorage(t *testing.T) {
	c, s := newCluster(t), newSink(consumererror.NewPermanent(errors.New("never")))
	c.add("shop", "old", "BackOff")
	stop := run(t, c, s, nil, nil)
	defer stop()
	for { // until it watches, what comes may be of the listing
		c.mu.Lock()
		watching := len(c.auth) > 1
		c.mu.Unlock()
		if watching {
			break
		}
		time.Sleep(time.Millisecond)
	}
	c.add("shop", "refused", "BackOff")
	c.add("shop", "new", "BackOff")
	if got := s.wait(t, 1); !slices.Equal(got, []string{"BackOff of new"}) {
		t.Errorf("got %q", got)
	}
}

// One refusal, or a server that is not there, is no end; namespaces are watched
// each by itself, with the pod's own token.
func TestNamespacesAndTokens(t *testing.T) {
	c, s := newCluster(t), newSink()
	c.refuse = 3
	for _, ns := range []string{"shop", "bank", "other"} {
		c.add(ns, "p", "Killing")
	}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := run(t, c, s, &memory{data: map[string][]byte{}}, map[string]any{"namespaces": []string{"shop", "bank"}, "token_file": token})
	defer stop()
	if got := s.wait(t, 2); len(got) != 2 {
		t.Errorf("got %q", got)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.ContainsFunc(c.auth, func(a string) bool { return a != "Bearer secret" }) {
		t.Errorf("asked with %q", c.auth)
	}
}

// What the receiver writes is what the story and the map read.
func TestRecordsAreRead(t *testing.T) {
	c, s := newCluster(t), newSink()
	c.add("shop", "web-0", "BackOff")
	stop := run(t, c, s, &memory{data: map[string][]byte{}}, nil)
	defer stop()
	s.wait(t, 1)
	body, err := (&plog.ProtoMarshaler{}).MarshalLogs(s.logs[0])
	if err != nil {
		t.Fatal(err)
	}
	batch, err := otlp.DecodeLogs(body)
	if err != nil {
		t.Fatal(err)
	}
	l := &batch.Logs[0]
	e, ok := kubernetes.EventOf(l)
	want := kubernetes.Event{Kind: "Pod", Name: "web-0", Namespace: "shop", Reason: "BackOff", Text: "BackOff of web-0"}
	if !ok || e != want || !kubernetes.OnlyEvents(l.Stream) || !kubernetes.MayHoldEvents(l.Stream) || !e.Trouble() {
		t.Errorf("read as %+v, %v", e, ok)
	}
	if l.Time != began.Add(time.Second).UnixNano() || l.SeverityText != "Warning" || l.Attrs.Text("k8s.event.count") != "1" || l.Attrs.Text("k8s.node.name") != "node-1" ||
		l.Attrs.Text("k8s.pod.name") != "web-0" || l.Stream.Resource.Attrs.Text("k8s.cluster.name") != "prod" || l.Stream.Service != kubernetes.EventService {
		t.Errorf("%+v %+v", l, l.Stream)
	}
}

func TestConfig(t *testing.T) {
	t.Setenv(hostEnv, "")
	for name, c := range map[string]struct {
		change func(*Config)
		wrong  string
	}{
		"in no pod":      {func(*Config) {}, "KUBERNETES_SERVICE_HOST"},
		"an address":     {func(c *Config) { c.Endpoint = "https://10.0.0.1:6443" }, ""},
		"a host":         {func(c *Config) { c.Endpoint = "kube:6443" }, "endpoint"},
		"another scheme": {func(c *Config) { c.Endpoint = "unix:///x" }, "endpoint"},
		"no pause":       {func(c *Config) { c.Endpoint, c.RetryInitial = "http://a", 0 }, "retry_initial"},
	} {
		cfg := defaultConfig().(*Config)
		c.change(cfg)
		if err := cfg.Validate(); (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Setenv(hostEnv, "fd00::1")
	t.Setenv(portEnv, "443")
	cfg := defaultConfig().(*Config)
	if err := cfg.Validate(); err != nil || cfg.address() != "https://[fd00::1]:443" {
		t.Errorf("in a pod: %s, %v", cfg.address(), err)
	}
	notOurs := filepath.Join(t.TempDir(), "ca")
	if err := os.WriteFile(notOurs, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.CAFile = notOurs
	if _, err := newAPI(cfg); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("a file that is none: %v", err)
	}
	other := component.MustNewID("other")
	cfg.CAFile, cfg.Storage = "/no-such-file", &other
	r, err := NewFactory().CreateLogs(t.Context(), receivertest.NewNopSettings(NewFactory().Type()), cfg, newSink())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), componenttest.NewNopHost()); err == nil || !strings.Contains(err.Error(), "no such storage") {
		t.Errorf("a storage that is not there: %v", err)
	}
	if err := r.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
