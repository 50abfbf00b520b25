package jaeger

import (
	"bytes"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
	"github.com/clewhq/clew/query/traceql/traceqltest"
)

func TestSummariesV3(t *testing.T) {
	srv := newServer(t, nil)
	for path, want := range map[string]string{
		"?query.service_name=cart": `{"summaries":[{"traceId":"00000000000000000000000000000001","rootServiceName":"front","rootOperationName":"GET /cart",` +
			`"minStartTimeUnixNano":"1700000000000000000","maxEndTimeUnixNano":"1700000000100000000","spanCount":2,"errorSpanCount":1,` +
			`"services":[{"name":"cart","spanCount":1},{"name":"front","spanCount":1,"errorSpanCount":1}]}]}`,
		"?query.serviceName=front&query.startTimeMin=2023-11-14T22:13:25Z&query.startTimeMax=2023-11-14T22:14:00Z": `{"summaries":[{"traceId":"00000000000000000000000000000002",` +
			`"rootServiceName":"front","rootOperationName":"GET /pay","minStartTimeUnixNano":"1700000010000000000","maxEndTimeUnixNano":"1700000010001500000",` +
			`"spanCount":2,"services":[{"name":"front","spanCount":2}]}]}`,
		"?query.operationName=lost&query.durationMin=5ms": `{"summaries":[{"traceId":"00000000000000000000000000000003","minStartTimeUnixNano":"1700000020000000000",` +
			`"maxEndTimeUnixNano":"1700000020005000000","spanCount":1,"orphanSpanCount":1,"services":[{"name":"unknown_service","spanCount":1}]}]}`,
		"?query.service_name=nobody": `{"summaries":[]}`,
	} {
		if code, body := get(t, srv, "/jaeger/api/v3/trace-summaries"+path); code != 200 || body != want {
			t.Errorf("%s: %d\n got %s\nwant %s", path, code, body, want)
		}
	}
	if code, _ := get(t, srv, "/jaeger/api/v3/trace-summaries?query.startTimeMin=x"); code != 400 {
		t.Errorf("a start that is none: %d, want 400", code)
	}
}

func TestSummariesCall(t *testing.T) {
	conn := newClient(t, nil)
	query := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "cart")
	got, err := ask(t, conn, "FindTraceSummaries", protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), query))
	if err != nil || len(got) != 1 {
		t.Fatalf("got %d messages, %v", len(got), err)
	}
	str := func(b []byte, num protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
	}
	num := func(b []byte, f protowire.Number, n uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, f, protowire.VarintType), n)
	}
	want := str(str(str(nil, 1, "00000000000000000000000000000001"), 2, "front"), 3, "GET /cart")
	want = protowire.AppendFixed64(protowire.AppendTag(want, 4, protowire.Fixed64Type), 1700000000000000000)
	want = protowire.AppendFixed64(protowire.AppendTag(want, 5, protowire.Fixed64Type), 1700000000100000000)
	want = num(num(want, 6, 2), 7, 1)
	want = str(want, 9, string(num(str(nil, 1, "cart"), 2, 1)))
	want = str(want, 9, string(num(num(str(nil, 1, "front"), 2, 1), 3, 1)))
	if want = str(nil, 1, string(want)); !bytes.Equal(got[0], want) {
		t.Errorf("got\n%x, want\n%x", got[0], want)
	}
}

// TestWarningsOfCalls: what is missing of an answer is said in the trailer.
func TestWarningsOfCalls(t *testing.T) {
	spans, err := traceqltest.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	cfg := traceql.DefaultConfig()
	cfg.MaxSpansPerTrace = 1
	engine := traceql.New(cfg, &traceqltest.Store{Tenant: tenant.Anonymous, All: spans}, nil, nil)
	conn := serve(t, New(Deps{Engine: engine}))
	var trailer metadata.MD
	req := &emptypb.Empty{}
	req.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "1"))
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/jaeger.api_v3.QueryService/GetTrace", grpc.Trailer(&trailer))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.SendMsg(req); err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for err = nil; err == nil; {
		err = stream.RecvMsg(&emptypb.Empty{})
	}
	if got := trailer.Get(status.WarningHeader); len(got) != 1 {
		t.Errorf("got warnings %q, want the one of max_spans_per_trace", got)
	}
}

func TestSummaryOfMany(t *testing.T) {
	s := newSummary(&traceql.TraceResult{Start: 5, Duration: time.Second, Orphans: 2, Services: []traceql.ServiceStats{
		{Service: "b", Spans: 3, Errors: 1}, {Service: "a", Spans: 4, Errors: 2},
	}})
	if s.Spans != 7 || s.Errors != 3 || s.Orphans != 2 || s.Services[0].Name != "a" || s.End != "1000000005" {
		t.Errorf("got %+v", s)
	}
}
