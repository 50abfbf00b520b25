package tempo

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

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

// newClient starts the streaming service and returns a connection to it.
func newClient(t *testing.T) *grpc.ClientConn {
	t.Helper()
	spans, err := traceqltest.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	store := &traceqltest.Store{Tenant: tenant.Anonymous, All: spans}
	cfg := traceql.DefaultConfig()
	cfg.FirstSlice = 1_000_000_000
	api := New(Deps{Config: DefaultConfig(), Engine: traceql.New(cfg, store, nil, nil)})
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

// call sends one message of a streaming method and returns all answers.
func call(t *testing.T, conn *grpc.ClientConn, method string, req []byte) ([][]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/tempopb.StreamingQuerier/"+method)
	if err != nil {
		t.Fatal(err)
	}
	in := &emptypb.Empty{}
	in.ProtoReflect().SetUnknown(req)
	if err := stream.SendMsg(in); err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
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

// children returns the bytes of every field num of a message.
func children(t *testing.T, b []byte, num protowire.Number) [][]byte {
	t.Helper()
	var out [][]byte
	for len(b) > 0 {
		got, typ, n := protowire.ConsumeTag(b)
		size := protowire.ConsumeFieldValue(got, typ, b[max(n, 0):])
		if n < 0 || size < 0 {
			t.Fatalf("malformed message %x", b)
		}
		if got == num && typ == protowire.BytesType {
			val, _ := protowire.ConsumeBytes(b[n:])
			out = append(out, val)
		}
		b = b[n+size:]
	}
	return out
}

func TestStreamSearch(t *testing.T) {
	conn := newClient(t)
	req := appendString(nil, 8, "{ }")
	req = appendUint(req, 4, 2)
	msgs, err := call(t, conn, "Search", req)
	if err != nil || len(msgs) < 2 {
		t.Fatalf("%d messages, %v", len(msgs), err)
	}
	seen := map[string]bool{}
	for _, m := range msgs {
		if len(children(t, m, 2)) != 1 {
			t.Error("a message without metrics, which Grafana cannot bear")
		}
		for _, tr := range children(t, m, 1) {
			seen[string(children(t, tr, 1)[0])] = true
		}
	}
	if len(seen) != 2 || !seen["00000000000000000000000000000003"] || !seen["00000000000000000000000000000002"] {
		t.Errorf("got %v, want the two newest traces", seen)
	}
	last := msgs[len(msgs)-1]
	trace := children(t, last, 1)[0]
	sets := children(t, trace, 7)
	if len(sets) != 1 || len(children(t, sets[0], 1)) != 1 || string(children(t, trace, 2)[0]) != noRoot {
		t.Errorf("got %x", trace)
	}
	// The old form: tags are a map of strings in field 1.
	tag := appendMessage(nil, 1, func(b []byte) []byte { return appendString(appendString(b, 1, "http.method"), 2, "GET") })
	msgs, err = call(t, conn, "Search", tag)
	if err != nil || len(children(t, msgs[len(msgs)-1], 1)) != 1 {
		t.Errorf("tags: %v", err)
	}
}

func TestStreamMetrics(t *testing.T) {
	conn := newClient(t)
	base := uint64(traceqltest.Base.UnixNano())
	req := appendString(nil, 1, "{ } | count_over_time()")
	req = appendUint(appendUint(req, 2, base), 3, base+30e9)
	msgs, err := call(t, conn, "MetricsQueryInstant", req)
	if err != nil || len(msgs) != 1 || len(children(t, msgs[0], 1)) != 1 {
		t.Fatalf("instant: %d messages, %v", len(msgs), err)
	}
	for _, step := range []uint64{0, 10e9} {
		msgs, err = call(t, conn, "MetricsQueryRange", appendUint(req, 4, step))
		if err != nil || len(msgs) != 1 {
			t.Fatalf("range: %d messages, %v", len(msgs), err)
		}
		series := children(t, msgs[0], 1)
		if len(series) != 1 || len(children(t, series[0], 2)) < 4 {
			t.Errorf("step %d: %x", step, msgs[0])
		}
	}
}

func TestStreamTags(t *testing.T) {
	conn := newClient(t)
	for method, c := range map[string]struct {
		req  []byte
		want string
	}{
		"SearchTags":        {appendString(nil, 1, "resource"), "region"},
		"SearchTagsV2":      {appendString(nil, 1, "span"), "http.method"},
		"SearchTagValues":   {appendString(nil, 1, "service.name"), "front"},
		"SearchTagValuesV2": {appendString(nil, 1, "resource.service.name"), "front"},
	} {
		msgs, err := call(t, conn, method, c.req)
		if err != nil || len(msgs) != 1 || !strings.Contains(string(msgs[0]), c.want) {
			t.Errorf("%s: %q, %v", method, msgs, err)
		}
	}
}

func TestStreamErrors(t *testing.T) {
	conn := newClient(t)
	for _, c := range []struct {
		method string
		req    []byte
		code   codes.Code
	}{
		{"Search", appendString(nil, 8, "{ foo }"), codes.InvalidArgument},
		{"MetricsQueryRange", appendString(nil, 1, "{ } | rate()"), codes.InvalidArgument},
		{"MetricsQueryRange", appendString(nil, 1, "{ }"), codes.InvalidArgument},
		{"SearchTagsV2", appendString(nil, 1, "nope"), codes.InvalidArgument},
		{"SearchTagValuesV2", appendString(nil, 1, "nope"), codes.InvalidArgument},
		{"Nope", nil, codes.Unimplemented},
	} {
		_, err := call(t, conn, c.method, c.req)
		if status.Code(err) != c.code {
			t.Errorf("%s %q: %v, want %s", c.method, c.req, err, c.code)
		}
	}
}

// FuzzParseFields: any bytes are fields or an error.
func FuzzParseFields(f *testing.F) {
	f.Add(appendString(nil, 8, "{ }"))
	f.Add([]byte{0xff, 0x01})
	f.Add(appendMessage(nil, 1, func(b []byte) []byte { return appendString(appendString(b, 1, "k"), 2, "v") }))
	f.Fuzz(func(_ *testing.T, b []byte) {
		fields, err := parseFields(b)
		if err == nil {
			_ = searchValues(&fields)
		}
	})
}

// TestSplit: no message is over gRPC's limit, and together they are all.
func TestSplit(t *testing.T) {
	const n = 5000
	m := &searchResponse{}
	for range n {
		m.Traces = append(m.Traces, traceMetadata{TraceID: "x", RootTraceName: strings.Repeat("n", 2000)})
	}
	total := 0
	parts := m.split()
	for _, p := range parts {
		total += len(p.Traces)
		if size := len(p.appendProto(nil)); size > 4<<20 {
			t.Errorf("a message of %d bytes", size)
		}
	}
	if total != n || len(parts) < 3 {
		t.Errorf("%d traces in %d messages", total, len(parts))
	}
	if parts := (&searchResponse{}).split(); len(parts) != 1 {
		t.Errorf("an empty answer is %d messages", len(parts))
	}
	if parts := (&queryRangeResponse{Series: make([]timeSeries, 3)}).split(); len(parts) != 1 || len(parts[0].Series) != 3 {
		t.Errorf("got %d messages", len(parts))
	}
}
