package realtest

import (
	"flag"
	"fmt"
	"testing"

	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

var likeSpans = flag.Int("like.spans", 2000, "how many spans TestSpansSkipped searches in")

// TestSpansSkipped: of the spans that equal conditions leave out, Elasticsearch
// hands out none.
func TestSpansSkipped(t *testing.T) {
	s := fresh(opened(t, config(), deps()))
	const page, rare = 1000, 500
	st := telemetry.NewStream(telemetry.Resource{Attrs: telemetry.Attrs{{Key: telemetry.AttrServiceName, Value: telemetry.String("shop")}}}, telemetry.Scope{})
	for from := 0; from < *likeSpans; from += page {
		spans := make([]telemetry.Span, page)
		for i := range spans {
			spans[i] = plainSpan(st, from+i, (from+i)%rare == 0)
		}
		storagetest.WriteSpans(t, s, "", storagetest.SpanBatch(spans))
	}
	matching := int64(*likeSpans / rare)
	e := traceql.New(traceql.DefaultConfig(), s, nil, nil)
	for _, query := range []string{
		`{ span.foo = "bar" }`, `{ .foo = "bar" }`, `{ span.code = 503 }`, `{ status = error }`, `{ kind = server }`, `{ name = "rare" }`,
		`{ name = "rare" && span.route = "/1" }`, `{ resource.service.name = "shop" && .code = 503 }`,
	} {
		q, err := syntax.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		stats := storage.ReadStats{}
		sel, err := e.Select(query)
		if err != nil {
			t.Fatal(err)
		}
		sel.Query.From, sel.Query.To, sel.Query.Stats = storagetest.Base, storagetest.Base+int64(*likeSpans)*1e6, &stats
		for _, err := range s.Spans(t.Context(), sel.Query) {
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%s: %d rows, %d bytes", query, stats.Rows, stats.Bytes)
		if stats.Rows > matching {
			t.Errorf("%s: %d rows were read, want %d", query, stats.Rows, matching)
		}
		res, err := e.Search(t.Context(), traceql.SearchRequest{Query: q, Limit: int(matching) + 1})
		if err != nil || int64(len(res.Traces)) != matching && query != `{ name = "rare" && span.route = "/1" }` {
			t.Errorf("%s: %d traces, want %d; %v", query, len(res.Traces), matching, err)
		}
	}
}

// plainSpan is a span of a trace of its own; a rare one differs in all that the
// test looks for.
func plainSpan(st *telemetry.Stream, n int, rare bool) telemetry.Span {
	s := telemetry.Span{
		Stream: st, Name: "usual", Kind: telemetry.SpanKindInternal, Status: telemetry.StatusOK,
		Start: storagetest.Base + int64(n)*1e6, End: storagetest.Base + int64(n)*1e6 + 5e6,
		Attrs: telemetry.Attrs{{Key: "foo", Value: telemetry.String("other")}, {Key: "code", Value: telemetry.Int(200)}, {Key: "route", Value: telemetry.String(fmt.Sprint("/", n%7))}},
	}
	s.TraceID[0], s.SpanID[0] = 1, 1
	for i := range 4 {
		s.TraceID[15-i], s.SpanID[7-i] = byte(n>>(8*i)), byte(n>>(8*i))
	}
	if rare {
		s.Name, s.Kind, s.Status = "rare", telemetry.SpanKindServer, telemetry.StatusError
		s.Attrs[0].Value, s.Attrs[1].Value = telemetry.String("bar"), telemetry.Int(503)
	}
	return s
}
