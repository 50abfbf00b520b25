package realtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/internal/elastictest"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// faulty is a way to Elasticsearch that can be broken.
type faulty struct {
	mu   sync.Mutex
	rule func(*http.Request) (answer *http.Response, after bool, err error)
	then func() // happens once an answer is lost, before anybody knows
}

func (f *faulty) set(rule func(*http.Request) (*http.Response, bool, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rule = rule
}

// RoundTrip implements http.RoundTripper. With after, the request gets
// through, and its answer is lost.
func (f *faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	rule := f.rule
	f.mu.Unlock()
	if rule == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	answer, after, err := rule(r)
	if answer == nil && err == nil || after {
		res, sent := http.DefaultTransport.RoundTrip(r)
		if !after || sent != nil {
			return res, sent
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if f.then != nil {
			f.then()
		}
	}
	return answer, err
}

func status(code int, body string) *http.Response {
	return &http.Response{
		StatusCode: code, Header: http.Header{"X-Elastic-Product": {"Elasticsearch"}, "Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)),
	}
}

// quick makes breaker and pauses short.
func quick(c *elastic.Config) {
	c.RetryBackoff, c.RetryBackoffMax = model.Duration(5*time.Millisecond), model.Duration(50*time.Millisecond)
	c.BreakerDelay = model.Duration(20 * time.Millisecond)
	c.BulkLinger = 0
	c.BulkBytes = 30_000
}

// TestNothingIsLostOrDoubled writes while every third bulk request fails in
// one way or another, and asks for all of it afterwards.
func TestNothingIsLostOrDoubled(t *testing.T) {
	t.Parallel()
	for _, ack := range []string{elastic.AckWAL, elastic.AckElasticsearch} {
		t.Run(ack, func(t *testing.T) {
			f := &faulty{}
			cfg, d := config(), deps()
			quick(&cfg)
			cfg.Acknowledge = ack
			d.Transport = f
			s := opened(t, cfg, d)
			n := 0
			var mu sync.Mutex
			f.set(func(r *http.Request) (*http.Response, bool, error) {
				mu.Lock()
				defer mu.Unlock()
				if r.URL.Path != "/_bulk" {
					return nil, false, nil
				}
				switch n++; n % 12 {
				case 0:
					return nil, false, io.ErrUnexpectedEOF // not sent
				case 3:
					return nil, true, io.ErrUnexpectedEOF // written, and nobody knows
				case 6:
					return status(http.StatusTooManyRequests, `{"error":{"type":"es_rejected_execution_exception","reason":"full"}}`), false, nil
				case 9:
					return status(http.StatusServiceUnavailable, `not JSON`), true, nil
				}
				return nil, false, nil
			})
			g := storagetest.NewGen(31)
			var logs []telemetry.Log
			for i := range 30 {
				b := g.Logs(60)
				storagetest.WriteLogs(t, s, "me", b)
				logs = append(logs, b.Logs...)
				if i == 15 { // what is tried again after a rollover must not be doubled
					storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"}) // nothing is under way
					call(t, "POST", "/logs-"+cfg.Dataset+"-me/_rollover", "")
				}
			}
			if d := storagetest.DiffLogs(storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"}), logs); d != "" {
				t.Error(d)
			}
			if got := count(t, "logs-"+cfg.Dataset+"-me"); got != len(logs) {
				t.Errorf("%d documents, want %d", got, len(logs))
			}
		})
	}
}

// TestARetryAcrossARolloverIsStoredOnce loses the answer to a request, and
// rolls over before it is sent again.
func TestARetryAcrossARolloverIsStoredOnce(t *testing.T) {
	t.Parallel()
	f := &faulty{}
	cfg, d := config(), deps()
	quick(&cfg)
	d.Transport = f
	s := opened(t, cfg, d)
	g := storagetest.NewGen(32)
	first := g.Logs(10)
	storagetest.WriteLogs(t, s, "me", first)
	storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"})
	f.then = func() { call(t, "POST", "/logs-"+cfg.Dataset+"-me/_rollover", "") }
	f.set(func(r *http.Request) (*http.Response, bool, error) {
		if r.URL.Path != "/_bulk" {
			return nil, false, nil
		}
		f.set(nil)
		return nil, true, io.ErrUnexpectedEOF
	})
	second := g.Logs(10)
	storagetest.WriteLogs(t, s, "me", second)
	want := append(first.Logs, second.Logs...)
	if d := storagetest.DiffLogs(storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"}), want); d != "" {
		t.Error(d)
	}
	if got := count(t, "logs-"+cfg.Dataset+"-me"); got != len(want) {
		t.Errorf("%d documents, want %d", got, len(want))
	}
}

// TestElasticsearchAway takes requests while nothing answers, stops, starts
// again, and drains when Elasticsearch is back.
func TestElasticsearchAway(t *testing.T) {
	t.Parallel()
	f := &faulty{}
	cfg := config()
	quick(&cfg)
	cfg.Startup = elastic.StartupWait
	cfg.WALFileBytes = 20_000
	cfg.ReadWait = model.Duration(200 * time.Millisecond)
	d := elastic.Deps{FS: vfs.NewMem(), Transport: f}
	down := func(*http.Request) (*http.Response, bool, error) { return nil, false, io.ErrUnexpectedEOF }
	f.set(down)
	g := storagetest.NewGen(33)
	var logs []telemetry.Log
	var again *telemetry.LogBatch
	for range 3 { // restarts
		s := open(t, cfg, d)
		for range 10 {
			b := g.Logs(40)
			storagetest.WriteLogs(t, s, "me", b)
			logs, again = append(logs, b.Logs...), b
		}
		if h := s.Health(); !h.Writable {
			t.Errorf("health %+v", h)
		}
		if r := s.Remote(); r.PendingBytes == 0 || r.LastError == "" {
			t.Errorf("remote %+v", r)
		}
		for _, err := range s.Logs(context.Background(), storage.LogQuery{Tenant: "me"}) {
			if err == nil {
				t.Error("a query was answered")
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cfg.ReadWait = model.Duration(time.Minute)
	s := opened(t, cfg, d)
	f.set(nil)
	if r, err := s.WriteLogs(context.Background(), "me", again); err != nil || !r.Duplicate {
		t.Errorf("a request of before the restart came again: %+v, %v", r, err)
	}
	if d := storagetest.DiffLogs(eventually(t, s, len(logs)), logs); d != "" {
		t.Error(d)
	}
	if got := count(t, "logs-"+cfg.Dataset+"-me"); got != len(logs) {
		t.Errorf("%d documents, want %d", got, len(logs))
	}
}

// eventually reads until as many records are there.
func eventually(t *testing.T, s *elastic.Store, want int) []telemetry.Log {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		var logs []telemetry.Log
		var last error
		for batch, err := range s.Logs(context.Background(), storage.LogQuery{Tenant: "me"}) {
			logs, last = append(logs, batch...), err
		}
		if last == nil && len(logs) >= want || time.Now().After(deadline) {
			return logs
		}
	}
}

// TestQueueIsBounded refuses what is too much, and takes it again later.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	f := &faulty{}
	cfg := config()
	quick(&cfg)
	cfg.Startup, cfg.WALBytes = elastic.StartupWait, 50_000
	f.set(func(*http.Request) (*http.Response, bool, error) { return nil, false, io.ErrUnexpectedEOF })
	s := opened(t, cfg, elastic.Deps{FS: vfs.NewMem(), Transport: f})
	g := storagetest.NewGen(34)
	taken := 0
	var refused *telemetry.LogBatch
	for refused == nil {
		b := g.Logs(50)
		_, err := s.WriteLogs(context.Background(), "me", b)
		switch {
		case err == nil:
			taken += 50
		case strings.Contains(err.Error(), storage.ErrOverloaded.Error()) && strings.Contains(err.Error(), "wal_bytes"):
			refused = b
		default:
			t.Fatal(err)
		}
	}
	if h := s.Health(); taken == 0 {
		t.Errorf("nothing was taken: %+v", h)
	}
	f.set(nil)
	eventually(t, s, taken)
	storagetest.WriteLogs(t, s, "me", refused)
	if got := len(storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"})); got != taken+50 {
		t.Errorf("%d records, want %d", got, taken+50)
	}
}

// TestRefusedDocumentsAreDeadLetters makes Elasticsearch refuse some records
// of a batch; the others are stored.
func TestRefusedDocumentsAreDeadLetters(t *testing.T) {
	t.Parallel()
	cfg, d := config(), deps()
	quick(&cfg)
	d.Registerer = prometheus.NewRegistry()
	s := opened(t, cfg, d)
	// A field of another kind than clew writes, as a foreign template may make.
	index := "logs-" + cfg.Dataset + "-me"
	g := storagetest.NewGen(35)
	storagetest.WriteLogs(t, s, "me", g.Logs(1))
	storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"})
	call(t, "PUT", "/"+index+"/_mapping", `{"properties":{"attributes":{"properties":{"clash":{"type":"ip"}}}}}`)
	b := g.Logs(20)
	for i := range b.Logs {
		b.Logs[i].Attrs = nil
		if i%5 == 0 {
			b.Logs[i].Attrs = telemetry.Attrs{{Key: "clash", Value: telemetry.String(fmt.Sprint("no address ", i))}}
		}
	}
	b = storagetest.LogBatch(b.Logs)
	storagetest.WriteLogs(t, s, "me", b)
	if got := len(storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"})); got != 17 {
		t.Errorf("%d records, want 17", got)
	}
	letters := "clew-deadletter-" + cfg.Dataset
	if got := count(t, letters); got != 4 {
		t.Errorf("%d dead letters, want 4", got)
	}
	letter := call(t, "GET", "/"+letters+"/_search?size=1", "")
	for _, want := range []string{`"tenant":"me"`, `"status":400`, `"reason":`, `"document":"`, index} {
		if !strings.Contains(letter, want) {
			t.Errorf("the dead letter lacks %s: %s", want, letter)
		}
	}
}

// TestOldIndicesAreDropped rolls over and drops by the records' age.
func TestOldIndicesAreDropped(t *testing.T) {
	t.Parallel()
	cfg, d := config(), deps()
	quick(&cfg)
	cfg.Retention = elastic.Retention{Logs: model.Duration(10 * 24 * time.Hour), Traces: model.Duration(24 * time.Hour)}
	now := time.Unix(0, storagetest.Base)
	var mu sync.Mutex
	d.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	s := opened(t, cfg, d)
	g := storagetest.NewGen(36)
	index := "logs-" + cfg.Dataset + "-me"
	old := g.Logs(20)
	storagetest.WriteLogs(t, s, "me", old)
	storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"})
	call(t, "POST", "/"+index+"/_rollover", "")
	mu.Lock()
	now = now.Add(9 * 24 * time.Hour)
	mu.Unlock()
	young := g.Logs(20)
	for i := range young.Logs {
		young.Logs[i].Time += int64(9 * 24 * time.Hour)
	}
	young = storagetest.LogBatch(young.Logs)
	storagetest.WriteLogs(t, s, "me", young)
	if err := s.Maintain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := len(storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"})); got != 40 {
		t.Errorf("%d records within the retention, want 40", got)
	}
	mu.Lock()
	now = now.Add(2 * 24 * time.Hour)
	mu.Unlock()
	if err := s.Maintain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if d := storagetest.DiffLogs(storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"}), young.Logs); d != "" {
		t.Error(d)
	}
}

// TestANewerSchemaIsRefused does not touch what a newer clew has written.
func TestANewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	cfg := config()
	s := open(t, cfg, deps())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name := "/_index_template/clew-logs-" + cfg.Dataset
	call(t, "PUT", name, `{"index_patterns":["logs-`+cfg.Dataset+`-*"],"priority":500,"version":99,"_meta":{"schema":99},"data_stream":{}}`)
	if _, err := elastic.Open(context.Background(), cfg, deps()); err == nil || !strings.Contains(err.Error(), "newer clew") {
		t.Errorf("opened with %v", err)
	}
	// An older one is brought up to date.
	call(t, "PUT", name, `{"index_patterns":["logs-`+cfg.Dataset+`-*"],"priority":500,"version":0,"_meta":{"schema":0},"data_stream":{}}`)
	opened(t, cfg, deps())
	if got := call(t, "GET", name, ""); !strings.Contains(got, `"version":1`) {
		t.Errorf("the template is %s", got)
	}
}

// TestWrongClusters names what is wrong.
func TestWrongClusters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(*http.Request) (*http.Response, bool, error)
		want   string
	}{
		"nobody there": {func(*http.Request) (*http.Response, bool, error) { return nil, false, io.EOF }, "EOF (a node that wants https://"},
		"another product": {func(*http.Request) (*http.Response, bool, error) {
			res := status(http.StatusOK, `{"version":{"number":"2.11.0","distribution":"opensearch"}}`)
			res.Header.Del("X-Elastic-Product")
			return res, false, nil
		}, "not Elasticsearch"},
		"too old": {func(*http.Request) (*http.Response, bool, error) {
			return status(http.StatusOK, `{"version":{"number":"8.3.1"}}`), false, nil
		}, "upgrade the cluster"},
		"no password": {func(*http.Request) (*http.Response, bool, error) {
			return status(http.StatusUnauthorized, `{"error":{"type":"security_exception","reason":"missing authentication credentials"}}`), false, nil
		}, "set storage.elasticsearch.username"},
		"no rights": {func(r *http.Request) (*http.Response, bool, error) {
			if r.URL.Path == "/" {
				return nil, false, nil
			}
			return status(http.StatusForbidden, `{"error":{"type":"security_exception","reason":"action is unauthorized"}}`), false, nil
		}, "manage_index_templates"},
	} {
		f := &faulty{}
		f.set(c.answer)
		cfg, d := config(), deps()
		quick(&cfg)
		d.Transport = f
		if _, err := elastic.Open(context.Background(), cfg, d); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestAReadOnlyIndex: what Elasticsearch refuses to write for a while waits,
// the reason and the remedy are told, and nothing of it is a dead letter.
func TestAReadOnlyIndex(t *testing.T) {
	t.Parallel()
	for block, remedy := range map[string]string{"read_only_allow_delete": "disks are nearly full", "write": "remove its index.blocks settings"} {
		cfg, d := config(), deps()
		quick(&cfg)
		s := opened(t, cfg, d)
		g := storagetest.NewGen(40)
		index := "logs-" + cfg.Dataset + "-me"
		set := func(value string) {
			call(t, "PUT", "/"+index+"/_settings", `{"index.blocks.`+block+`":`+value+`}`)
		}
		first, second := g.Logs(10), g.Logs(10)
		storagetest.WriteLogs(t, s, "me", first)
		storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"})
		set("true")
		storagetest.WriteLogs(t, s, "me", second)
		until(t, block+" to be told", func() bool { return strings.Contains(s.Remote().LastError, remedy) })
		if h := s.Health(); !h.Writable || s.Remote().PendingBytes == 0 {
			t.Errorf("%s: %+v, %+v", block, h, s.Remote())
		}
		set("null")
		if d := storagetest.DiffLogs(eventually(t, s, 20), append(first.Logs, second.Logs...)); d != "" {
			t.Errorf("%s: %s", block, d)
		}
		until(t, "the last error to be gone", func() bool { return s.Remote().LastError == "" })
	}
}

// TestTheBreakerOpensAndCloses follows it through an outage.
func TestTheBreakerOpensAndCloses(t *testing.T) {
	t.Parallel()
	f := &faulty{}
	cfg, d := config(), deps()
	quick(&cfg)
	cfg.BreakerFailures, cfg.BreakerRequests = 3, 3
	d.Transport = f
	s := opened(t, cfg, d)
	f.set(func(*http.Request) (*http.Response, bool, error) { return nil, false, io.EOF })
	storagetest.WriteLogs(t, s, "me", storagetest.NewGen(37).Logs(5))
	for deadline := time.Now().Add(30 * time.Second); s.Remote().Breaker == "closed"; {
		if time.Now().After(deadline) {
			t.Fatal("the breaker stays closed")
		}
		time.Sleep(time.Millisecond)
	}
	f.set(nil)
	if got := eventually(t, s, 5); len(got) != 5 {
		t.Errorf("%d records, want 5", len(got))
	}
	if r := s.Remote(); r.Breaker != "closed" || r.LastError != "" {
		t.Errorf("after the outage: %+v", r)
	}
}

// TestAKilledNode kills Elasticsearch under load and starts it again.
func TestAKilledNode(t *testing.T) {
	own := elastictest.Start(t)
	cfg := config()
	quick(&cfg)
	cfg.Addresses = []string{own.URL}
	s := opened(t, cfg, deps())
	g := storagetest.NewGen(38)
	var logs []telemetry.Log
	for i := range 40 {
		if i == 15 {
			own.Kill()
		}
		if i == 30 {
			if err := own.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		b := g.Logs(50)
		storagetest.WriteLogs(t, s, "me", b)
		logs = append(logs, b.Logs...)
	}
	if d := storagetest.DiffLogs(eventually(t, s, len(logs)), logs); d != "" {
		t.Error(d)
	}
}

// TestRequests keeps the exact searches, so that a change in them is seen.
func TestRequests(t *testing.T) {
	t.Parallel()
	f := &faulty{}
	cfg, d := config(), deps()
	cfg.Dataset = "snapshot"
	cfg.DeletionEvery = model.Duration(time.Hour) // nothing is asked but what the test asks
	d.Transport = f
	s := opened(t, cfg, d)
	g := storagetest.NewGen(39)
	storagetest.WriteLogs(t, s, "me", g.Logs(3))
	storagetest.WriteSpans(t, s, "me", g.Spans(3))
	storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"})
	storagetest.Spans(t, s, storage.SpanQuery{Tenant: "me"})
	var seen bytes.Buffer
	f.set(func(r *http.Request) (*http.Response, bool, error) {
		if strings.HasSuffix(r.URL.Path, "_search") && r.GetBody != nil {
			seen.WriteString(r.URL.Path + "?" + clean(r.URL.Query()) + "\n" + requestBody(r) + "\n")
		}
		return nil, false, nil
	})
	for _, ask := range []struct {
		name string
		do   func()
	}{
		{"look-up of an ID", func() {
			storagetest.Logs(t, s, storage.LogQuery{Tenant: "me", IDs: []string{"4BF92F3577B34DA6A3CE929D0E0E4736"}})
		}},
		{"text, severity and time", func() {
			storagetest.Logs(t, s, storage.LogQuery{Tenant: "me", Text: []string{"payment failed: card"}, MinSeverity: telemetry.SeverityError, From: 1, To: storagetest.Base, Columns: storage.ColBody})
		}},
		{"trace", func() {
			storagetest.Spans(t, s, storage.SpanQuery{Tenant: "me", TraceIDs: []telemetry.TraceID{{1}}, Columns: storage.ColSpan})
		}},
		{"slow spans", func() {
			storagetest.Spans(t, s, storage.SpanQuery{Tenant: "me", MinDuration: time.Second, Columns: storage.ColSpan})
		}},
		{"spans like those wanted", func() {
			storagetest.Spans(t, s, storage.SpanQuery{Tenant: "me", Columns: storage.ColSpan, Like: storage.SpanLike{Name: "GET /", Kind: telemetry.SpanKindServer, Status: telemetry.StatusError,
				Attrs: []storage.SpanText{{Key: "key.0.0", Texts: []string{"GET", "2"}}}}})
		}},
		{"logs with a text", func() {
			storagetest.Logs(t, s, storage.LogQuery{Tenant: "me", Columns: storage.ColBody, Where: []storage.Condition{{Field: storage.FieldSeverityText, Texts: []string{"INFO"}}}})
		}},
		{"counts by stream and minute", func() {
			_ = s.CountLogs(t.Context(), storage.LogQuery{Tenant: "me", From: storagetest.Base + 1, To: storagetest.Base + 120e9 + 1}, 60e9, func(*telemetry.Stream, int, int64) {})
		}},
		{"counts by stream, severity and an attribute", func() {
			by := []storage.LogText{{Key: func(k string) bool { return k == "plain" }}}
			_ = s.CountLogGroups(t.Context(), storage.LogQuery{Tenant: "me", From: storagetest.Base, To: storagetest.Base + 120e9}, 60e9, by, func(storage.LogGroup, int64) {})
		}},
		{"spans by stream, minute, class and an attribute", func() {
			_ = s.SpanGroups(t.Context(), storage.SpanGroupQuery{Query: storage.SpanQuery{Tenant: "me", From: storagetest.Base, To: storagetest.Base + 120e9, Columns: storage.ColSpan}, Width: 60e9,
				Shortest: time.Millisecond, Longest: time.Minute, By: storage.SpanTraits{Class: true, Keys: []string{"plain"}}, Durations: true, Samples: true}, func(storage.SpanGroup) {})
		}},
		{"calls of an hour and a second", func() {
			_, _ = s.Calls(t.Context(), storage.CallQuery{Tenant: "me", From: storagetest.Base, To: storagetest.Base + 3601e9, Rules: calls.DefaultRules()})
		}},
		{"version", func() { _, _ = s.LogsVersion(t.Context(), "me", storagetest.Base, 0) }},
		{"streams", func() { _, _ = s.Streams(t.Context(), "me", telemetry.Logs, 0, 0, nil) }},
	} {
		seen.WriteString("# " + ask.name + "\n")
		ask.do()
	}
	compare(t, "testdata/requests.txt", seen.String())
}

// clean is a query's parameters without what differs each time.
func clean(v url.Values) string {
	if v.Has("preference") {
		v.Set("preference", "...")
	}
	return v.Encode()
}

// TestNamesOfOthers: what somebody else has made under clew's names is left as
// it is, and the error says what to do.
func TestNamesOfOthers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, body, want string }{
		"an index":             {"/logs-DATASET-me", `{}`, "is an index, and clew needs its name for a data stream: rename or delete it"},
		"an alias":             {"/other-DATASET", `{"aliases":{"traces-DATASET-me":{}}}`, "is an alias"},
		"a template":           {"/_index_template/clew-logs-DATASET", `{"index_patterns":["nothing-DATASET"]}`, "one of that name that is not clew's"},
		"a template before it": {"/_index_template/mine-DATASET", `{"index_patterns":["logs-DATASET-*"],"priority":900,"data_stream":{}}`, "takes precedence over clew's"},
		"a template like it":   {"/_index_template/mine-DATASET", `{"index_patterns":["logs-DATASET-*"],"priority":500,"data_stream":{}}`, "mine-DATASET"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config()
			quick(&cfg)
			with := strings.NewReplacer("DATASET", cfg.Dataset)
			made := with.Replace(c.path)
			if said := call(t, "PUT", made, with.Replace(c.body)); !strings.Contains(said, `"acknowledged":true`) {
				t.Fatal(said)
			}
			if _, err := elastic.Open(context.Background(), cfg, deps()); err == nil || !strings.Contains(err.Error(), with.Replace(c.want)) {
				t.Errorf("%v, want %q", err, with.Replace(c.want))
			}
			// Nothing is lost meanwhile, and all is well once it is gone.
			waits := cfg
			waits.Startup, waits.ReadWait = elastic.StartupWait, model.Duration(time.Minute)
			s := opened(t, waits, deps())
			b := storagetest.NewGen(81).Logs(10)
			storagetest.WriteLogs(t, s, "me", b)
			call(t, "DELETE", made, "")
			if d := storagetest.DiffLogs(eventually(t, s, len(b.Logs)), b.Logs); d != "" {
				t.Error(d)
			}
		})
	}
}
