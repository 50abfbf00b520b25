package correlation

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/clewhq/clew/telemetry"
)

const (
	traceHex = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanHex  = "00f067aa0ba902b7"
)

func str(k, v string) telemetry.Attr { return telemetry.Attr{Key: k, Value: telemetry.String(v)} }

func render(ids []ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = fmt.Sprintf("%s %s (%s)", id.Kind, id.Value, id.Source)
	}
	slices.Sort(out)
	return out
}

func TestBodies(t *testing.T) {
	for body, want := range map[string]string{
		`request_id=42 done`:                                 "request_id 42",
		`request_id=abc`:                                     "request_id abc",
		`request_id="a b" x`:                                 "request_id a b",
		`request_id=- x`:                                     "",
		`request_id=null, user_id=0`:                         "",
		`request_id= next`:                                   "request_id next",
		`{"orderId":"A-17"}`:                                 "order_id A-17",
		`{"orderId": 17, "x": 1}`:                            "order_id 17",
		`{"orderId" : "A-17"}`:                               "order_id A-17",
		`{"order":{"id":"A-17"}}`:                            "order_id A-17",
		`{"order": {"id": 17}}`:                              "order_id 17",
		`{\"orderId\":\"A-17\"}`:                             "order_id A-17",
		`{'request_id': 'abc', 'n': 1}`:                      "request_id abc",
		`:request_id=>"abc"`:                                 "request_id abc",
		`{"x-request-id":["abc"]}`:                           "request_id abc",
		`map[requestId:abc-1 n:2]`:                           "request_id abc-1",
		`X-Request-Id: 8f3a`:                                 "request_id 8f3a",
		`Request ID: 8f3a.`:                                  "request_id 8f3a",
		`user id: unknown to us`:                             "",
		`request id: failed to parse`:                        "",
		`{"log":"{\\\"request_id\\\":\\\"42\\\"}"}`:          "request_id 42",
		`{\\\\\\\"orderId\\\\\\\":\\\\\\\"A-17\\\\\\\"}`:     "order_id A-17",
		`GET /cb?next=%2Fa%3Frequest_id%3D42%26order_id%3d7`: "order_id 7|request_id 42",
		`q=%7B%22request_id%22%3A%22A-17%22%7D`:              "request_id A-17",
		`url=a?x=1\u0026request_id=42\u0026y=2`:              "request_id 42",
		`a.b?x=1&amp;request_id=42&amp;y=2`:                  "request_id 42",
		`"request_id=42"`:                                    "request_id 42",
		`request_id='42'.`:                                   "request_id 42",
		`"request_id"="42"`:                                  "request_id 42",
		`100%3 user_id%`:                                     "",
		`GET /a?session_id=s-9&x=1`:                          "session_id s-9",
		`app.request.id=7`:                                   "request_id 7",
		`traceparent=00-` + traceHex + `-` + spanHex + `-01`: "span_id " + spanHex + "|trace_id " + traceHex,
		`trace_id=` + strings.ToUpper(traceHex):              "trace_id " + traceHex,
		`dd.trace_id=1234567890123456789`:                    "trace_id 0000000000000000112210f47de98115|trace_id 112210f47de98115|trace_id 1234567890123456789",
		`{"dd":{"trace_id":"1234567890123456789","span_id":"11803532876627986230"}}`:        "span_id 11803532876627986230|span_id a3ce929d0e0e4736|trace_id 0000000000000000112210f47de98115|trace_id 112210f47de98115|trace_id 1234567890123456789",
		`x-datadog-parent-id: 11803532876627986230`:                                         "span_id 11803532876627986230|span_id a3ce929d0e0e4736",
		`X-Cloud-Trace-Context: ` + traceHex + `/17;o=1`:                                    "span_id 0000000000000011|trace_id " + traceHex,
		`uber-trace-id=abcdef0123456789:1a2b:0:1`:                                           "span_id 0000000000001a2b|trace_id 0000000000000000abcdef0123456789|trace_id abcdef0123456789",
		`"trace":"projects/shop/traces/` + traceHex + `"`:                                   "token " + traceHex,
		`X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8`: "span_id 53995c3f42cd8ad8|trace_id 5759e988bd862e3fe1be46a994272793",
		`uber-trace-id: ` + traceHex + `:` + spanHex + `:0:1`:                               "span_id " + spanHex + "|trace_id " + traceHex,
		`"traceId":"S/kvNXezTaajzpKdDg5HNg==","spanId":"APBnqgupArc="`:                      "span_id " + spanHex + "|token kvNXezTaajzpKdDg5HNg|trace_id " + traceHex,
		`dd.trace_id=100985939111033328018442752961257817910`:                               "trace_id 100985939111033328018442752961257817910|trace_id " + traceHex,
		`span_id=1234567890123456`:                                                          "span_id 000462d53c8abac0|span_id 1234567890123456",
		`seen ` + traceHex:                                                                  "token " + traceHex,
		`seen ` + traceHex + ` trace_id=` + traceHex:                                        "trace_id " + traceHex,
		`session_id=00000000-0000-0000-0000-000000000000`:                                   "",
		`12:34:56 level=info`:                                                               "",
	} {
		l := telemetry.Log{Body: telemetry.String(body)}
		var got []string
		for _, id := range AppendLog(nil, &l) {
			got = append(got, string(id.Kind)+" "+id.Value)
			if id.Source != "body" {
				t.Errorf("%q: source %q", body, id.Source)
			}
		}
		slices.Sort(got)
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("body %q\n got %s\nwant %s", body, s, want)
		}
	}
}

func TestAppendLog(t *testing.T) {
	trace, _ := telemetry.ParseTraceID(traceHex)
	span, _ := telemetry.ParseSpanID(spanHex)
	l := &telemetry.Log{
		Stream:  telemetry.NewStream(telemetry.Resource{Attrs: telemetry.Attrs{str("session.id", "s1"), str("container.id", traceHex)}}, telemetry.Scope{}),
		TraceID: trace, SpanID: span,
		Attrs: telemetry.Attrs{
			str("request_id", "42"), str("note", "see ord_123abc and order_id=9"), {Key: "user.id", Value: telemetry.Int(7)},
			{Key: "http.request.header.x_correlation_id", Value: telemetry.Array([]telemetry.Value{telemetry.String("c-1"), telemetry.String("c-2")})},
			{Key: "order", Value: telemetry.Map(telemetry.Attrs{str("id", "O1"), str("memo", "req-8f3a2b")})},
			{Key: "txn_id", Value: telemetry.Int(0)}, str("trace_id", strings.ToUpper(traceHex)),
		},
		Body: telemetry.Map(telemetry.Attrs{str("message", "retry req-8f3a2b"), {Key: "msg_id", Value: telemetry.Int(-5)}}),
	}
	want := []string{
		"correlation_id c-1 (attribute http.request.header.x_correlation_id)", "correlation_id c-2 (attribute http.request.header.x_correlation_id)",
		"message_id -5 (body)", "order_id 9 (attribute note)", "order_id O1 (attribute order)", "request_id 42 (attribute request_id)",
		"session_id s1 (resource attribute session.id)", "span_id " + spanHex + " (trace context)", "token ord_123abc (attribute note)",
		"token req-8f3a2b (attribute order)", "trace_id " + traceHex + " (trace context)", "user_id 7 (attribute user.id)",
	}
	if got := render(AppendLog(nil, l)); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	kept := []ID{{Value: "42", Kind: Token, Source: "before"}}
	if got := AppendLog(kept, l); got[0] != kept[0] || len(got) != len(want)+1 {
		t.Errorf("appending changed what was there: %v", got)
	}
}

func TestAppendSpan(t *testing.T) {
	trace, _ := telemetry.ParseTraceID("a3ce929d0e0e4736")
	other, _ := telemetry.ParseTraceID(traceHex)
	span, _ := telemetry.ParseSpanID(spanHex)
	parent, _ := telemetry.ParseSpanID("b7ad6b7169203331")
	s := &telemetry.Span{
		TraceID: trace, SpanID: span, ParentID: parent,
		Attrs:  telemetry.Attrs{str("url.full", "http://shop/orders?order_id=17"), {Key: "trace_id", Value: telemetry.Bytes(string(other[:]))}},
		Events: []telemetry.Event{{Name: "exception", Attrs: telemetry.Attrs{str("exception.message", "no such order ord_123abc")}}},
		Links:  []telemetry.Link{{TraceID: other, SpanID: parent, Attrs: telemetry.Attrs{str("messaging.message.id", "m1")}}},
	}
	want := []string{
		"message_id m1 (link)", "order_id 17 (attribute url.full)", "span_id " + spanHex + " (trace context)", "span_id b7ad6b7169203331 (parent)",
		"token ord_123abc (event exception)", "trace_id 0000000000000000a3ce929d0e0e4736 (trace context)",
		"trace_id " + traceHex + " (attribute trace_id)", "trace_id a3ce929d0e0e4736 (trace context)",
	}
	if got := render(AppendSpan(nil, s)); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// sameSet holds that hashes and IDs of a record are the same set.
func sameSet(t *testing.T, ids []ID, hashes []uint64) {
	t.Helper()
	want := map[uint64]string{}
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id.Value] {
			t.Errorf("%q comes twice", id.Value)
		}
		if n := Normalize(id.Value); n != id.Value {
			t.Errorf("%q is not in its normal form %q", id.Value, n)
		}
		seen[id.Value] = true
		want[Hash(id.Value)] = id.Value
	}
	got := map[uint64]bool{}
	for _, h := range hashes {
		got[h] = true
		if _, ok := want[h]; !ok {
			t.Errorf("hash %x of no ID", h)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d hashes, %d IDs: %v", len(got), len(want), ids)
	}
}

// randomValue makes values out of pieces that are IDs, keys, and noise.
func randomValue(r *rand.Rand, depth int) telemetry.Value {
	pieces := []string{"request_id", "=", ":", " ", `"`, "order", ".id", "{", "}", traceHex, strings.ToUpper(traceHex), spanHex, "req-8f3a2b",
		"42", "0", "-", "6f1a6f2e-3b0c-4a9d-9b77-0f4a5f0c9e11", "00-" + traceHex + "-" + spanHex + "-01", "traceparent", `\"`, "[", "é", "null"}
	switch n := r.IntN(8); {
	case n == 0 && depth < 3:
		return telemetry.Array([]telemetry.Value{randomValue(r, depth+1), randomValue(r, depth+1)})
	case n == 1 && depth < 3:
		return telemetry.Map(randomAttrs(r, depth+1))
	case n == 2:
		return telemetry.Int(r.Int64N(100) - 50)
	case n == 3:
		return telemetry.Bytes(strings.Repeat("x", r.IntN(20)))
	}
	var b strings.Builder
	for range r.IntN(40) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return telemetry.String(b.String())
}

func randomAttrs(r *rand.Rand, depth int) telemetry.Attrs {
	keys := []string{"request_id", "order", "id", "note", "traceparent", "user.id", "trace_id", "span_id", "b3"}
	out := make(telemetry.Attrs, r.IntN(5))
	for i := range out {
		out[i] = telemetry.Attr{Key: keys[r.IntN(len(keys))], Value: randomValue(r, depth)}
	}
	return out
}

func TestHashesAreTheSameSet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		stream := telemetry.NewStream(telemetry.Resource{Attrs: randomAttrs(r, 1)}, telemetry.Scope{})
		l := &telemetry.Log{Stream: stream, Body: randomValue(r, 0), Attrs: randomAttrs(r, 0)}
		s := &telemetry.Span{Stream: stream, Attrs: randomAttrs(r, 0), Events: []telemetry.Event{{Name: "e", Attrs: randomAttrs(r, 0)}}}
		if r.IntN(2) == 0 {
			l.TraceID[15], l.SpanID[0], s.TraceID[0], s.SpanID[7], s.ParentID[1] = 1, 2, 3, 4, 5
			s.Links = []telemetry.Link{{TraceID: l.TraceID, SpanID: s.SpanID, Attrs: randomAttrs(r, 0)}}
		}
		sameSet(t, AppendLog(nil, l), AppendLogHashes(nil, l))
		sameSet(t, AppendSpan(nil, s), AppendSpanHashes(nil, s))
		if t.Failed() {
			t.Fatalf("log %+v\nspan %+v", l, s)
		}
	}
}

func TestManyIDsInOneRecord(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "order_id=%d again order_id=%d ", i+1, i+1)
	}
	l := &telemetry.Log{Body: telemetry.String(b.String())}
	ids := AppendLog(nil, l)
	if len(ids) != 5000 {
		t.Errorf("%d IDs, want 5000", len(ids))
	}
	sameSet(t, ids, AppendLogHashes(nil, l))
}

func FuzzBody(f *testing.F) {
	lines, err := os.ReadFile("testdata/lines.log")
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range strings.Split(string(lines), "\n") {
		f.Add(line)
	}
	f.Add(`id:"id":{"id"=id=[[[ `)
	f.Fuzz(func(t *testing.T, body string) {
		l := &telemetry.Log{Body: telemetry.String(body), Attrs: telemetry.Attrs{str("traceparent", body), str("id", body)}}
		sameSet(t, AppendLog(nil, l), AppendLogHashes(nil, l))
	})
}
