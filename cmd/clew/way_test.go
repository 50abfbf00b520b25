package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/clewhq/clew/internal/duckdbtest"
)

// One truth in; every API answers it, before and after the process was killed,
// and after a clean stop.
func TestTheWholeWay(t *testing.T) {
	i := newInstance(t)
	i.start()
	s := newShop()
	s.send(i)
	for _, phase := range []struct {
		name string
		do   func()
	}{
		{"at once", func() {}},
		{"after kill -9", func() { i.kill(); i.start() }},
		{"after a clean stop", func() { i.stop(); i.start() }},
	} {
		phase.do()
		t.Run(phase.name, func(t *testing.T) {
			i := *i
			i.t = t
			checkLoki(&i, s)
			checkTraces(&i, s)
			checkMetrics(&i, s)
			checkStory(&i, s)
			checkMap(&i, s)
			checkCommands(&i, s)
			checkExport(&i, s)
		})
	}
}

type lokiAnswer struct {
	Data struct {
		ResultType string `json:"resultType"`
		Result     []struct {
			Stream map[string]string `json:"stream"`
			Metric map[string]string `json:"metric"`
			Values [][]any           `json:"values"`
			Value  []any             `json:"value"`
		} `json:"result"`
	} `json:"data"`
}

func (a lokiAnswer) lines() []string {
	var out []string
	for _, r := range a.Data.Result {
		for _, v := range r.Values {
			out = append(out, v[1].(string))
		}
	}
	sort.Strings(out)
	return out
}

func checkLoki(i *instance, s shop) {
	i.t.Helper()
	for query, want := range map[string]string{
		`{service_name="checkout"}`:                             "order accepted",
		`{service_name="payment"} |= "declined"`:                "charge failed: card declined",
		`{service_name=~".+"} |= "` + orderID + `" | shelf="7"`: "picked " + orderID + " from shelf 7",
		`{app="warehouse"}`:                                     "picked " + orderID + " from shelf 7",
		`{service_name=~".+"} | detected_level="warn"`:          "no mail for " + orderID + ": it was not paid",
		`{service_name=~".+"} | trace_id="` + s.traceID.String() + `" | severity_text="" |= "accepted"`: "order accepted",
	} {
		var a lokiAnswer
		i.ask("/loki/api/v1/query_range", with(s.window(), "query", query), &a)
		if got := a.lines(); len(got) != 1 || got[0] != want {
			i.t.Errorf("LogQL %s: got %q, want %q", query, got, want)
		}
	}
	var a lokiAnswer
	i.ask("/loki/api/v1/query", url.Values{"query": {`sum(count_over_time({service_name=~".+"}[1h]))`}}, &a)
	if len(a.Data.Result) != 1 || a.Data.Result[0].Value[1] != "4" {
		i.t.Errorf("count of all lines: got %+v, want 4", a.Data.Result)
	}
	var labels struct{ Data []string }
	i.ask("/loki/api/v1/labels", s.window(), &labels)
	contains(i.t, "labels", strings.Join(labels.Data, " "), "service_name", "app", "env")
}

func checkTraces(i *instance, s shop) {
	i.t.Helper()
	id := s.traceID.String()
	var jaeger struct {
		Data []struct {
			Spans []struct{ OperationName string }
		}
	}
	i.ask("/jaeger/api/traces/"+id, nil, &jaeger)
	if len(jaeger.Data) != 1 || len(jaeger.Data[0].Spans) != 6 {
		i.t.Errorf("Jaeger's trace: got %+v, want 6 spans", jaeger.Data)
	}
	var names struct{ Data []string }
	i.ask("/jaeger/api/services", nil, &names)
	sort.Strings(names.Data)
	if got := strings.Join(names.Data, " "); got != "checkout gateway payment" {
		i.t.Errorf("Jaeger's services: got %q", got)
	}
	var search struct {
		Traces []struct{ TraceID, RootServiceName, RootTraceName string }
	}
	for _, q := range []string{`{ status = error }`, `{ resource.service.name = "checkout" && span.order.id = "` + orderID + `" }`, `{ duration > 250ms && kind = server }`} {
		i.ask("/tempo/api/search", url.Values{"q": {q}, "start": {fmt.Sprint(s.start.Unix() - 60)}, "end": {fmt.Sprint(s.start.Unix() + 60)}}, &search)
		if len(search.Traces) != 1 || search.Traces[0].TraceID != id || search.Traces[0].RootServiceName != "gateway" || search.Traces[0].RootTraceName != "POST /orders" {
			i.t.Errorf("TraceQL %s: got %+v", q, search.Traces)
		}
	}
	var trace struct {
		Trace struct {
			ResourceSpans []struct{ ScopeSpans []struct{ Spans []any } }
		}
	}
	i.ask("/tempo/api/v2/traces/"+id, nil, &trace)
	spans := 0
	for _, r := range trace.Trace.ResourceSpans {
		for _, sc := range r.ScopeSpans {
			spans += len(sc.Spans)
		}
	}
	if spans != 6 {
		i.t.Errorf("Tempo's trace has %d spans, want 6", spans)
	}
}

func checkMetrics(i *instance, s shop) {
	i.t.Helper()
	var a lokiAnswer
	at := fmt.Sprint(s.start.Unix() + 5)
	i.ask("/prometheus/api/v1/query", url.Values{"query": {`checkout_duration_seconds_count{job="checkout"}`}, "time": {at}}, &a)
	if len(a.Data.Result) != 1 || a.Data.Result[0].Value[1] != "3" {
		i.t.Errorf("PromQL: got %+v, want 3", a.Data.Result)
	}
	var ex struct {
		Data []struct {
			Exemplars []struct{ Labels map[string]string }
		}
	}
	i.ask("/prometheus/api/v1/query_exemplars", url.Values{"query": {"checkout_duration_seconds_bucket"}, "start": {fmt.Sprint(s.start.Unix() - 60)}, "end": {at}}, &ex)
	if len(ex.Data) != 1 || ex.Data[0].Exemplars[0].Labels["trace_id"] != s.traceID.String() {
		i.t.Errorf("exemplars: got %+v", ex.Data)
	}
}

type storyAnswer struct {
	Kind     string
	Services []struct {
		Name                string
		Spans, Logs, Errors int
	}
	Edges []struct {
		Source, Target, Evidence string
		Calls, Errors            int
	}
	Traces []struct {
		TraceID string `json:"trace_id"`
	}
	Timeline []struct{ Type, Service, Text string }
}

func (a storyAnswer) count(kind string) int {
	n := 0
	for _, t := range a.Timeline {
		if t.Type == kind {
			n++
		}
	}
	return n
}

func checkStory(i *instance, s shop) {
	i.t.Helper()
	var a storyAnswer
	for _, id := range []string{s.traceID.String(), strings.ToUpper(s.traceID.String()), orderID} {
		a = storyAnswer{}
		i.ask("/api/v1/correlate/"+id, nil, &a)
		logs := 2 // of the trace
		if id == orderID {
			logs = 4 // and the two lines that only name the order
		}
		if a.count("span") != 6 || a.count("log") != logs || len(a.Traces) != 1 || a.Traces[0].TraceID != s.traceID.String() {
			i.t.Errorf("story of %s: %d spans, %d logs, traces %+v; want 6, %d and one", id, a.count("span"), a.count("log"), a.Traces, logs)
		}
		if a.count("exemplar") != 1 || a.count("event") != 1 {
			i.t.Errorf("story of %s: %d exemplars, %d events; want 1 and 1", id, a.count("exemplar"), a.count("event"))
		}
	}
	res, err := http.Get(i.url("/api/v1/correlate/ffffffffffffffffffffffffffff0001"))
	if err != nil {
		i.t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		i.t.Errorf("an ID that nothing carries: %s, want 404", res.Status)
	}
}

func checkMap(i *instance, s shop) {
	i.t.Helper()
	var m struct {
		Nodes []struct{ ID, Type string }
		Edges []struct {
			Source, Target string
			Calls, Errors  int
		}
	}
	i.ask("/api/v1/servicemap", url.Values{"from": {"1h"}}, &m)
	edges := map[string]string{}
	for _, e := range m.Edges {
		edges[e.Source+" > "+e.Target] = fmt.Sprint(e.Calls, e.Errors)
	}
	for edge, want := range map[string]string{"gateway > checkout": "1 0", "checkout > payment": "1 1", "checkout > postgresql:db-1/shop": "1 0"} {
		if edges[edge] != want {
			i.t.Errorf("edge %s: got %q, want %q; all: %v", edge, edges[edge], want, edges)
		}
	}
	var deps struct {
		Data []struct {
			Parent, Child string
			CallCount     int
		}
	}
	i.ask("/jaeger/api/dependencies", url.Values{"endTs": {fmt.Sprint(time.Now().UnixMilli())}, "lookback": {"3600000"}}, &deps)
	found := map[string]int{}
	for _, d := range deps.Data {
		found[d.Parent+" > "+d.Child] = d.CallCount
	}
	if found["gateway > checkout"] != 1 || found["checkout > payment"] != 1 {
		i.t.Errorf("Jaeger's dependencies: %v", found)
	}
}

func checkCommands(i *instance, s shop) {
	i.t.Helper()
	server := "--server=http://" + i.http
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"correlate", orderID, server}, 0, []string{"POST /orders", "charge failed: card declined", "no mail for", "warehouse"}},
		{[]string{"correlate", orderID, "--json", server}, 0, []string{`"timeline"`, `"edges"`}},
		{[]string{"correlate", "ffffffffffffffffffffffffffff0001", server}, 3, nil},
		{[]string{"correlate", server}, 2, nil},
		{[]string{"corelate", "x"}, 2, []string{"correlate"}},
		{[]string{"map", server}, 0, []string{"checkout", "postgresql:db-1/shop"}},
		{[]string{"map", "--format", "mermaid", server}, 0, []string{"checkout"}},
		{[]string{"map", "--format", "circle", server}, 2, []string{"circle"}},
		{[]string{"logs", `{service_name="payment"}`, server}, 0, []string{"card declined"}},
		{[]string{"logs", `{service_name=`, server}, 2, []string{"line 1, col 15"}},
		{[]string{"trace", s.traceID.String(), server}, 0, []string{"INSERT orders"}},
		{[]string{"search", "{ status = error }", server}, 0, []string{s.traceID.String()}},
		{[]string{"metrics", "checkout_duration_seconds_count", server}, 0, []string{"3"}},
		{[]string{"correlate", "x1", "--server=http://" + freeAddr(i.t)}, 1, []string{"refused"}},
		{[]string{"export", `{service_name="nobody"}`, "--output", filepath.Join(i.t.TempDir(), "x"), server}, 3, []string{"nothing is selected"}},
		{[]string{"export", `{service_name=`, "--output", filepath.Join(i.t.TempDir(), "x"), server}, 2, []string{"line 1, col 15"}},
		{[]string{"export", "--signal", "metrics", server}, 2, []string{"want logs or traces"}},
	} {
		out, code := clew(i.t, c.args...)
		if code != c.code {
			i.t.Errorf("clew %q: exit %d, want %d\n%s", c.args, code, c.code, out)
		}
		contains(i.t, fmt.Sprintf("clew %q", c.args), out, c.want...)
	}
}

// What `clew export` writes, DuckDB reads: to a file, and to standard output.
func checkExport(i *instance, s shop) {
	i.t.Helper()
	logs, spans := filepath.Join(i.t.TempDir(), "logs.parquet"), filepath.Join(i.t.TempDir(), "spans.parquet")
	for _, args := range [][]string{
		{"export", `{service_name=~".+"} |= "` + orderID + `"`, "--from", "1h", "--output", logs},
		{"export", "--signal", "traces", "{ status = error }", "-o", spans},
	} {
		if out, code := clew(i.t, append(args, "--server=http://"+i.http)...); code != 0 {
			i.t.Fatalf("clew %q: exit %d\n%s", args, code, out)
		}
	}
	var got []struct{ Service, Text string }
	duckdbtest.Query(i.t, fmt.Sprintf("select service as Service, body as Text from '%s' union all select service, status_message from '%s' order by 1", logs, spans), &got)
	want := fmt.Sprintf("[{mailer no mail for %s: it was not paid} {payment card declined} {warehouse picked %s from shelf 7}]", orderID, orderID)
	if fmt.Sprint(got) != want {
		i.t.Errorf("exported %v, want %s", got, want)
	}
}

// A person's records go for good, and nothing else does, also when the process
// is killed at once.
func TestDelete(t *testing.T) {
	i := newInstance(t)
	i.start()
	s := newShop()
	s.send(i)
	server := "--server=http://" + i.http
	query := `{service_name=~".+"} |= "` + orderID + `"`
	if out, code := clew(t, "delete", query, server); code != 0 || !strings.Contains(out, "received") {
		t.Fatalf("exit %d\n%s", code, out)
	}
	i.kill()
	i.start()
	if out, code := clew(t, "delete", "--signal", "traces", `{ span.order.id = "`+orderID+`" }`, "--wait", server); code != 0 || !strings.Contains(out, "processed") {
		t.Fatalf("exit %d\n%s", code, out)
	}
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"logs", query, server}, 3},
		{[]string{"logs", `{service_name="payment"}`, server}, 0},
		{[]string{"trace", s.traceID.String(), server}, 0},
		{[]string{"search", `{ span.order.id = "` + orderID + `" }`, server}, 3},
		{[]string{"delete", "--list", server}, 0},
		{[]string{"delete", "--cancel", "1", server}, 3},
		{[]string{"delete", `{a=`, server}, 2},
	} {
		if out, code := clew(t, c.args...); code != c.code {
			t.Errorf("clew %q: exit %d, want %d\n%s", c.args, code, c.code, out)
		}
	}
	i.stop()
	if out, code := clew(t, "check", i.dir); code != 0 {
		t.Errorf("check: exit %d\n%s", code, out)
	}
}

// Many senders, and the process killed at arbitrary moments: what was
// acknowledged is there, once; what was not is absent or whole.
func TestKilledUnderLoad(t *testing.T) {
	i := newInstance(t)
	var sent atomic.Int64
	var mu sync.Mutex
	acked, tried := map[string]bool{}, map[string]bool{}
	for round := range 4 {
		i.start()
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for {
					select {
					case <-stop:
						return
					default:
					}
					line := fmt.Sprintf("line number %d", sent.Add(1))
					mu.Lock()
					tried[line] = true
					mu.Unlock()
					if sendLine("http://"+i.otlp+"/v1/logs", line) {
						mu.Lock()
						acked[line] = true
						mu.Unlock()
					}
				}
			}()
		}
		waitFor(t, "more lines are acknowledged", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(acked) >= 50*(round+1)
		})
		i.kill()
		close(stop)
		wg.Wait()
	}
	i.start()
	got := map[string]int{}
	var a lokiAnswer
	now := time.Now()
	i.ask("/loki/api/v1/query_range", url.Values{"query": {`{service_name="load"}`}, "limit": {"5000"}, "direction": {"forward"},
		"start": {fmt.Sprint(now.Add(-time.Hour).UnixNano())}, "end": {fmt.Sprint(now.Add(time.Hour).UnixNano())}}, &a)
	for _, line := range a.lines() {
		got[line]++
	}
	if len(a.lines()) >= 5000 {
		t.Fatal("more lines than one answer holds: shorten the load")
	}
	for line := range acked {
		if got[line] != 1 {
			t.Errorf("%q was acknowledged and is there %d times", line, got[line])
		}
	}
	for line, n := range got {
		if !tried[line] || n != 1 {
			t.Errorf("%q is there %d times, sent: %v", line, n, tried[line])
		}
	}
	t.Logf("%d sent, %d acknowledged, %d there", len(tried), len(acked), len(got))
}

func sendLine(url, line string) bool { return sendBody(url, lineRequest(line)) }

// lineRequest is a request with one log record.
func lineRequest(line string) []byte {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "load")
	l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	l.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	l.Body().SetStr(line)
	body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	if err != nil {
		panic(err)
	}
	return body
}

func sendBody(url string, body []byte) bool {
	res, err := http.Post(url, "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// What is wrong gets a 4xx that says so, and takes nothing good with it.
func TestBadInput(t *testing.T) {
	i := newInstance(t)
	i.start()
	otlp := "http://" + i.otlp
	for _, c := range []struct {
		name, url, kind, body string
		code                  int
		want                  string
	}{
		{"malformed protobuf", otlp + "/v1/logs", "application/x-protobuf", "\xff\xff\xff", 400, ""},
		{"malformed JSON", otlp + "/v1/traces", "application/json", "{", 400, ""},
		{"content type", otlp + "/v1/logs", "text/plain", "x", 415, "text/plain"},
		{"broken Loki push", i.url("/loki/api/v1/push"), "application/json", `{"streams":[`, 400, ""},
		{"unknown path", i.url("/nowhere"), "application/json", "", 404, "/nowhere"},
		{"unknown OTLP path", otlp + "/v1/nowhere", "application/json", "", 404, "/v1/nowhere"},
	} {
		code, text := post(t, c.url, c.kind, []byte(c.body))
		if code != c.code {
			t.Errorf("%s: %d %s, want %d", c.name, code, text, c.code)
		}
		contains(t, c.name, text, c.want)
	}
	for path, want := range map[string]int{
		"/loki/api/v1/query_range?query=%7Ba%3D":              400,
		"/prometheus/api/v1/query?query=sum(":                 400,
		"/tempo/api/search?q=%7B":                             400,
		"/api/v1/correlate/abc?hops=many":                     400,
		"/api/v1/servicemap?from=tomorrowish":                 400,
		"/tempo/api/traces/zzzz":                              400,
		"/jaeger/api/traces/0123456789abcdef0123456789abcdef": 404,
	} {
		res, err := http.Get(i.url(path))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("GET %s: %s, want %d", path, res.Status, want)
		}
	}
	res, err := http.Get(i.url("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("/metrics: %s", res.Status)
	}
}

func TestRefusesToStart(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "clew.yaml")
	if err := os.WriteFile(file, []byte("storage:\n  backened: local\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"serve", "--config", file}, `did you mean "storage.backend"`},
		{[]string{"serve", "--config", filepath.Join(dir, "none.yaml")}, "none.yaml"},
		{[]string{"serve", "--http-listen", "0.0.0.0:0"}, "auth.type"},
		{[]string{"serve", "--bananas"}, "bananas"},
		{[]string{"serve", "now"}, "takes no arguments"},
	} {
		out, code := clew(t, c.args...)
		if code != exitUsage {
			t.Errorf("clew %q: exit %d, want %d\n%s", c.args, code, exitUsage, out)
		}
		contains(t, strings.Join(c.args, " "), out, c.want)
	}
}
