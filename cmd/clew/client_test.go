package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// ask runs a client command in this process.
func ask(args ...string) (string, int) {
	var out bytes.Buffer
	root := rootCommand()
	root.SetOut(&out)
	root.SetErr(&out)
	code := run(context.Background(), root, args)
	return out.String(), code
}

// echo answers every question with an empty answer and keeps what was asked.
func echo(t *testing.T, asked *[]*http.Request) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r)
		_, _ = io.WriteString(w, `{"id":"x","data":{"resultType":"scalar","result":[1,"42"]},"traces":[{"traceID":"ab","startTimeUnixNano":"1"}],
			"nodes":[{"id":"a"}],"services":[{"name":"a"}],"selection":{"count":1},"batches":[{"scopeSpans":[{"spans":[{"spanId":"00000000000000a1","startTimeUnixNano":"1","endTimeUnixNano":"2"}]}]}]}`)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestClientCommandsAsk(t *testing.T) {
	var asked []*http.Request
	server := echo(t, &asked)
	t.Setenv("CLEW_TOKEN", "secret")
	for _, c := range []struct {
		args []string
		path string
		want []string // parts of the query
	}{
		{[]string{"correlate", "a/b", "--hops", "0", "--limit", "7", "--from", "1h"}, "/api/v1/correlate/a%2Fb", []string{"hops=0", "limit=7", "from=1h"}},
		{[]string{"correlate", "x", "--kinds", "session_id,order_id"}, "/api/v1/correlate/x", []string{"follow=session_id%2Corder_id"}},
		{[]string{"coverage", "--from", "6h"}, "/api/v1/coverage", []string{"from=6h"}},
		{[]string{"compare", "{}", "--by", "traces", "--baseline", "{ x }", "--limit", "9"}, "/api/v1/compare", []string{"selection=%7B%7D", "by=traces", "baseline=%7B+x+%7D", "limit=9"}},
		{[]string{"map", "--source", "a", "--target", "b", "--compare", "previous"}, "/api/v1/servicemap", []string{"source=a", "target=b", "compare=previous"}},
		{[]string{"correlate", "x", "--json"}, "/api/v1/correlate/x", nil},
		{[]string{"map", "--service", "a", "--depth", "2", "--format", "dot"}, "/api/v1/servicemap", []string{"service=a", "depth=2"}},
		{[]string{"logs", `{a="b"}`, "--limit", "3"}, "/loki/api/v1/query_range", []string{"limit=3", "direction=backward"}},
		{[]string{"trace", "4BF92F35-77B3-4DA6-A3CE-929D0E0E4736"}, "/tempo/api/traces/4bf92f3577b34da6a3ce929d0e0e4736", nil},
		{[]string{"search", "{}", "--limit", "5"}, "/tempo/api/search", []string{"q=%7B%7D", "limit=5"}},
		{[]string{"metrics", "up"}, "/prometheus/api/v1/query", []string{"query=up", "time="}},
		{[]string{"metrics", "up", "--from", "1h", "--step", "30s"}, "/prometheus/api/v1/query_range", []string{"step=30", "start=", "end="}},
	} {
		asked = nil
		out, code := ask(append(c.args, "--server", server, "--tenant", "acme")...)
		if code != 0 || len(asked) != 1 {
			t.Errorf("clew %q: exit %d, %d questions\n%s", c.args, code, len(asked), out)
			continue
		}
		r := asked[0]
		if r.URL.EscapedPath() != c.path || r.Header.Get("X-Scope-OrgID") != "acme" || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("clew %q asked %s with %v", c.args, r.URL, r.Header)
		}
		for _, part := range c.want {
			if !strings.Contains(r.URL.RawQuery, part) {
				t.Errorf("clew %q asked %s, want %s in it", c.args, r.URL.RawQuery, part)
			}
		}
	}
}

func TestClientUsage(t *testing.T) {
	t.Setenv("CLEW_SERVER", "nonsense")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"correlate"}, "wants an ID"},
		{[]string{"correlate", "a", "b"}, "put it in quotes"},
		{[]string{"map", "a"}, "takes no arguments"},
		{[]string{"logs"}, "wants a LogQL query"},
		{[]string{"export", "a", "b"}, "put it in quotes"},
		{[]string{"delete"}, "wants a query"},
		{[]string{"delete", "a", "b"}, "put it in quotes"},
		{[]string{"delete", "a", "--list"}, "give one of QUERY, --list and --cancel"},
		{[]string{"correlate", "x"}, `server "nonsense"`},
		{[]string{"correlate", "x", "--server", "http://127.0.0.1:1", "--output", "xml"}, `output "xml"`},
		{[]string{"correlate", "x", "--bananas"}, "bananas"},
	} {
		if out, code := ask(c.args...); code != exitUsage || !strings.Contains(out, c.want) {
			t.Errorf("clew %q: exit %d\n%s\nwant %q", c.args, code, out, c.want)
		}
	}
}

func TestClientHelpKeepsTheToken(t *testing.T) {
	t.Setenv("CLEW_TOKEN", "secret")
	for _, cmd := range clientCommands() {
		out, code := ask(cmd.Name(), "--help")
		if code != 0 || strings.Contains(out, "secret") || !strings.Contains(out, "--server") {
			t.Errorf("clew %s --help: exit %d\n%s", cmd.Name(), code, out)
		}
	}
}
