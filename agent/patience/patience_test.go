package patience

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// answer is a round tripper that always answers the same; 0 is no answer.
type answer int

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	if a == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: int(a), Status: http.StatusText(int(a)), Body: http.NoBody}, nil
}

func newPatience(t *testing.T) (*patience, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	set := extensiontest.NewNopSettings(NewFactory().Type())
	set.Logger = zap.New(core)
	ext, err := NewFactory().Create(context.Background(), set, NewFactory().CreateDefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return ext.(*patience), logs
}

// ask sends a request that is answered by a.
func ask(t *testing.T, p extensionmiddleware.HTTPClient, a answer) (int, error) {
	t.Helper()
	wrap, err := p.GetHTTPRoundTripper(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	rt, err := wrap(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, "http://user:secret@127.0.0.1/v1/logs", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}

func TestStatuses(t *testing.T) {
	p, _ := newPatience(t)
	for in, want := range map[answer]int{
		200: 200, 202: 202,
		300: 503, 304: 503, 307: 503, // and nowhere to go
		400: 400, 413: 413, 415: 415, 422: 422, // the data are bad
		429: 429, 502: 502, 503: 503, 504: 504, // retried anyway, and Retry-After is minded
		401: 503, 403: 503, 404: 503, 405: 503, 407: 503, 408: 503, 500: 503, 501: 503, 507: 503,
	} {
		got, err := ask(t, p, in)
		if err != nil || got != want {
			t.Errorf("%d becomes %d, %v; want %d", in, got, err, want)
		}
	}
	if _, err := ask(t, p, 0); err == nil {
		t.Error("an error of the connection is swallowed")
	}
}

func TestReportsAreRareAndHelp(t *testing.T) {
	p, logs := newPatience(t)
	at := time.Unix(1, 0)
	p.now = func() time.Time { return at }
	said := func() int { return len(logs.TakeAll()) }
	for _, step := range []struct {
		name  string
		a     answer
		later time.Duration
		want  int
	}{
		{"all is well", 200, 0, 0},
		{"down", 0, time.Second, 1},
		{"still down", 0, time.Second, 0},
		{"another problem soon after", 401, time.Second, 0},
		{"a minute later", 404, time.Minute, 1},
		{"back", 200, time.Second, 1},
		{"still back", 200, time.Second, 0},
		{"busy", 503, time.Second, 1},
		{"bad data is the exporter's to tell", 400, time.Hour, 0},
	} {
		at = at.Add(step.later)
		_, _ = ask(t, p, step.a)
		if got := said(); got != step.want {
			t.Errorf("%s: %d messages, want %d", step.name, got, step.want)
		}
	}
	at = at.Add(time.Hour)
	_, _ = ask(t, p, 401)
	entry := logs.TakeAll()[0].ContextMap()
	if entry["hint"] != "check CLEW_TOKEN and CLEW_TENANT" || entry["url"] != "http://user:xxxxx@127.0.0.1/v1/logs" {
		t.Errorf("message is %v", entry)
	}
}

// page is a round tripper that answers as a proxy or a login page might.
type page struct {
	status int
	header http.Header
	body   string
	length int64
}

func (p page) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: p.status, Status: fmt.Sprint(p.status, " ", http.StatusText(p.status)), Header: p.header,
		Body: io.NopCloser(strings.NewReader(p.body)), ContentLength: p.length,
	}, nil
}

// TestReceipts: a success counts where a server of OTLP may have said it.
func TestReceipts(t *testing.T) {
	p, logs := newPatience(t)
	typed := func(kind string) http.Header { return http.Header{"Content-Type": {kind}} }
	const untold = -1
	for name, c := range map[string]struct {
		method string
		page   page
		want   string // what the error says, "" for none
	}{
		"protobuf":              {"POST", page{200, typed("application/x-protobuf"), "\x0a\x00", 2}, ""},
		"protobuf of no length": {"POST", page{200, typed("application/x-protobuf"), "\x0a\x00", untold}, ""},
		"json":                  {"POST", page{200, typed("application/json; charset=utf-8"), "{}", 2}, ""},
		"nothing at all":        {"POST", page{202, nil, "", 0}, ""},
		"nothing, untold":       {"POST", page{200, typed("text/plain"), "", untold}, ""},
		"a page":                {"POST", page{200, typed("text/html; charset=utf-8"), "<html>", 6}, "200 OK with text/html"},
		"an empty page":         {"POST", page{200, typed("text/html"), "", 0}, "check the endpoint"},
		"text":                  {"POST", page{200, typed("text/plain"), "hello", untold}, "text/plain"},
		"who knows what":        {"POST", page{200, nil, "hello", untold}, "no Content-Type"},
		"where a redirect led":  {"GET", page{200, typed("application/json"), "{}", 2}, "a redirect led here"},
		"a redirect":            {"POST", page{302, http.Header{"Location": {"/login"}}, "", 0}, ""},
	} {
		wrap, err := p.GetHTTPRoundTripper(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rt, err := wrap(t.Context(), c.page)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest(c.method, "http://user:secret@127.0.0.1/v1/logs", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := rt.RoundTrip(req)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "http://user:xxxxx@127.0.0.1/v1/logs")):
			t.Errorf("%s: the error is %v, want %q", name, err, c.want)
		case err == nil:
			body, err := io.ReadAll(resp.Body)
			if err != nil || string(body) != c.page.body || resp.StatusCode != c.page.status {
				t.Errorf("%s: comes as %d %q, %v", name, resp.StatusCode, body, err)
			}
		}
	}
	if logs.FilterMessageSnippet("nothing gets through").Len() == 0 {
		t.Error("nothing is said of pages")
	}
}
