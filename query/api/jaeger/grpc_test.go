package jaeger

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/traceqltest"
)

func newClient(t *testing.T, deps traceql.Dependencies) *grpc.ClientConn {
	t.Helper()
	spans, err := traceqltest.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	store := &traceqltest.Store{Tenant: tenant.Anonymous, All: spans}
	return serve(t, New(Deps{Engine: traceql.New(traceql.DefaultConfig(), store, nil, nil), Dependencies: deps}))
}

// serve serves an API over gRPC and returns a connection to it.
func serve(t *testing.T, api *API) *grpc.ClientConn {
	t.Helper()
	srv := grpc.NewServer()
	api.RegisterGRPC(srv)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(lis) }()
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		srv.Stop()
		<-done
	})
	return conn
}

func ask(t *testing.T, conn *grpc.ClientConn, method string, req []byte) ([][]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/jaeger.api_v3.QueryService/"+method)
	if err != nil {
		t.Fatal(err)
	}
	in := &emptypb.Empty{}
	in.ProtoReflect().SetUnknown(req)
	if err := errors.Join(stream.SendMsg(in), stream.CloseSend()); err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for {
		m := &emptypb.Empty{}
		err := stream.RecvMsg(m)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, m.ProtoReflect().GetUnknown())
	}
}

func text(b []byte, num protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func number(b []byte, num protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), n)
}

// names returns the names of the spans in messages of TracesData.
func names(t *testing.T, messages [][]byte) []string {
	t.Helper()
	var out []string
	for _, m := range messages {
		td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, rs := range td.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					out = append(out, s.Name())
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestGRPCTraces(t *testing.T) {
	conn := newClient(t, nil)
	got, err := ask(t, conn, "GetTrace", text(nil, 1, "1"))
	if want := []string{"GET /cart", "load"}; err != nil || !slices.Equal(names(t, got), want) {
		t.Errorf("got %v, %v, want %v", names(t, got), err, want)
	}
	entry := text(text(nil, 1, "http.status_code"), 2, "500")
	seconds := func(num protowire.Number, s, ns uint64) []byte {
		return text(nil, num, string(number(number(nil, 1, s), 2, ns)))
	}
	for what, c := range map[string]struct {
		query []byte
		want  int // traces
	}{
		"service":      {text(nil, 1, "front"), 2},
		"operation":    {text(text(nil, 1, "front"), 2, "GET /pay"), 1},
		"attributes":   {text(text(nil, 1, "front"), 3, string(entry)), 1},
		"min duration": {slices.Concat(text(nil, 1, "front"), seconds(6, 0, 50e6)), 1},
		"max duration": {slices.Concat(text(nil, 1, "front"), seconds(7, 0, 2e6)), 1},
		"depth":        {number(text(nil, 1, "front"), 8, 1), 1},
		"before all":   {slices.Concat(text(nil, 1, "front"), seconds(4, 1, 0), seconds(5, 2, 0)), 0},
	} {
		got, err := ask(t, conn, "FindTraces", text(nil, 1, string(c.query)))
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %d traces, %v, want %d", what, len(got), err, c.want)
		}
	}
}

func TestGRPCNames(t *testing.T) {
	conn := newClient(t, &fakeMap{})
	for method, c := range map[string]struct {
		req  []byte
		want string
	}{
		"GetServices":     {nil, string(text(text(text(nil, 1, "cart"), 1, "front"), 1, "unknown_service"))},
		"GetOperations":   {text(text(nil, 1, "front"), 2, "client"), string(text(nil, 1, string(text(text(nil, 1, "call db"), 2, "client"))))},
		"GetDependencies": {nil, string(text(nil, 1, string(number(text(text(nil, 1, "front"), 2, "cart"), 3, 7))))},
	} {
		got, err := ask(t, conn, method, c.req)
		if err != nil || len(got) != 1 || string(got[0]) != c.want {
			t.Errorf("%s: got %q, %v, want %q", method, got, err, c.want)
		}
	}
}

func TestGRPCErrors(t *testing.T) {
	conn := newClient(t, nil)
	for _, c := range []struct {
		method string
		req    []byte
		code   codes.Code
		want   string
	}{
		{"GetTrace", text(nil, 1, "xyz"), codes.InvalidArgument, `invalid trace ID "xyz"`},
		{"GetTrace", text(nil, 1, "dead"), codes.NotFound, "trace not found"},
		{"FindTraces", text(nil, 1, "\x0a\xff"), codes.InvalidArgument, "malformed request"},
		{"FindTraces", text(nil, 1, string(text(nil, 4, string(number(nil, 1, 1<<63))))), codes.InvalidArgument, "invalid time"},
		{"GetOperations", nil, codes.InvalidArgument, "service is missing"},
		{"GetDependencies", nil, codes.Unimplemented, "no service map"},
	} {
		_, err := ask(t, conn, c.method, c.req)
		if status.Code(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: got %v, want %s with %q", c.method, c.req, err, c.code, c.want)
		}
	}
}

func TestDependenciesV3(t *testing.T) {
	f := &fakeMap{}
	srv := newServer(t, f)
	code, body := get(t, srv, "/jaeger/api/v3/dependencies?start_time=1970-01-01T00:00:01Z&end_time=1970-01-01T00:00:02Z")
	if want := `{"dependencies":[{"callCount":"7","child":"cart","parent":"front"}]}`; code != 200 || body != want || f.from != 1e9 || f.to != 2e9 {
		t.Errorf("got %d %s from %d to %d", code, body, f.from, f.to)
	}
	if code, body := get(t, srv, "/jaeger/api/v3/dependencies?start_time=yesterday"); code != 400 || !strings.Contains(body, "RFC 3339") {
		t.Errorf("got %d %s", code, body)
	}
}
