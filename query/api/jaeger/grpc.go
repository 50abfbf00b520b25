package jaeger

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"google.golang.org/grpc"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// spansPerMessage keeps messages of ordinary spans below the 4 MiB that gRPC
// clients take unless they are told otherwise.
const spansPerMessage = 1000

// call answers one call of version 3; it may send several messages.
type call func(ctx context.Context, req []byte, send func([]byte) error) error

// RegisterGRPC registers jaeger.api_v3.QueryService. Messages travel as the
// unknown fields of an empty one, so that the server's usual codec carries
// them and no generated code is needed. A call with one answer is a stream of
// one message on the wire.
func (a *API) RegisterGRPC(s *grpc.Server) {
	desc := grpc.ServiceDesc{ServiceName: "jaeger.api_v3.QueryService", HandlerType: (*any)(nil), Metadata: "query_service.proto"}
	for name, h := range map[string]call{
		"GetTrace":           a.callTrace,
		"FindTraces":         a.callFind,
		"FindTraceSummaries": a.callSummaries,
		"GetServices":        a.callServices,
		"GetOperations":      a.callOperations,
		"GetDependencies":    a.callDependencies,
	} {
		desc.Streams = append(desc.Streams, grpc.StreamDesc{
			StreamName: name, ServerStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error { return a.serveCall(name, h, stream) },
		})
	}
	s.RegisterService(&desc, a)
}

func (a *API) serveCall(name string, h call, stream grpc.ServerStream) error {
	in := &emptypb.Empty{}
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	err := h(stream.Context(), in.ProtoReflect().GetUnknown(), func(b []byte) error {
		out := &emptypb.Empty{}
		out.ProtoReflect().SetUnknown(b)
		return stream.SendMsg(out)
	})
	if _, told := grpcstatus.FromError(err); !told {
		status.Report(a.Log, "jaeger", name, err)
	}
	return status.GRPC(err)
}

func (a *API) callTrace(ctx context.Context, req []byte, send func([]byte) error) error {
	var raw string
	if err := eachField(req, func(num protowire.Number, _ uint64, b []byte) error {
		if num == 1 {
			raw = string(b)
		}
		return nil
	}); err != nil {
		return err
	}
	id, ok := telemetry.ParseTraceID(raw)
	if !ok {
		return status.BadRequest("invalid trace ID %q, expected 1 to 32 hexadecimal digits", raw)
	}
	t, _, warnings, err := a.Engine.Trace(ctx, tenant.From(ctx), id)
	if err != nil {
		return err
	}
	if t == nil {
		return status.NotFound("trace not found", warnings)
	}
	status.Warn(ctx, warnings)
	return sendTrace(t, send)
}

// sendTrace sends a trace in messages of a bounded number of spans.
func sendTrace(t *traceql.Trace, send func([]byte) error) error {
	for at := 0; at < len(t.Spans); at += spansPerMessage {
		part := t.Spans[at:min(at+spansPerMessage, len(t.Spans))]
		spans := make([]telemetry.Span, len(part))
		for i, s := range part {
			spans[i] = *s
		}
		if err := send(otlp.AppendSpans(nil, spans)); err != nil {
			return err
		}
	}
	return nil
}

func (a *API) callFind(ctx context.Context, req []byte, send func([]byte) error) error {
	q, err := findParameters(req)
	if err != nil {
		return err
	}
	search, err := a.searchRequest(q)
	if err != nil {
		return err
	}
	search.Tenant = tenant.From(ctx)
	res, err := a.Engine.Search(ctx, *search)
	if err != nil {
		return err
	}
	status.Warn(ctx, res.Warnings)
	for i := range res.Traces {
		if err := sendTrace(res.Traces[i].Trace, send); err != nil {
			return err
		}
	}
	return nil
}

// findParameters gives a FindTracesRequest the form of a search of version 1.
func findParameters(req []byte) (url.Values, error) {
	q, tags := url.Values{}, map[string]string{}
	err := eachField(req, func(num protowire.Number, _ uint64, query []byte) error {
		if num != 1 {
			return nil
		}
		return eachField(query, func(num protowire.Number, v uint64, b []byte) error {
			return findParameter(q, tags, num, v, b)
		})
	})
	if err != nil {
		return nil, err
	}
	if len(tags) > 0 {
		text, err := json.Marshal(tags)
		if err != nil {
			return nil, fmt.Errorf("read the attributes: %w", err)
		}
		q.Set("tags", string(text))
	}
	return q, nil
}

func findParameter(q url.Values, tags map[string]string, num protowire.Number, v uint64, b []byte) error {
	switch num {
	case 1:
		q.Set("service", string(b))
	case 2:
		q.Set("operation", string(b))
	case 3:
		var entry [3]string
		if err := eachField(b, func(num protowire.Number, _ uint64, b []byte) error {
			if num < 3 {
				entry[num] = string(b)
			}
			return nil
		}); err != nil {
			return err
		}
		tags[entry[1]] = entry[2]
	case 4, 5, 6, 7:
		ns, err := nanoseconds(b)
		if err != nil {
			return err
		}
		switch num {
		case 4:
			q.Set("start", strconv.FormatInt(ns/1000, 10))
		case 5:
			q.Set("end", strconv.FormatInt(ns/1000, 10))
		case 6:
			q.Set("minDuration", time.Duration(ns).String())
		case 7:
			q.Set("maxDuration", time.Duration(ns).String())
		}
	case 8:
		q.Set("limit", strconv.FormatUint(v, 10))
	}
	return nil
}

// nanoseconds reads a Timestamp or a Duration.
func nanoseconds(b []byte) (int64, error) {
	var seconds, nanos int64
	err := eachField(b, func(num protowire.Number, v uint64, _ []byte) error {
		switch num {
		case 1:
			seconds = int64(v)
		case 2:
			nanos = int64(v)
		}
		return nil
	})
	if err == nil && (seconds < 0 || nanos < 0 || seconds >= math.MaxInt64/int64(time.Second)) {
		err = status.BadRequest("invalid time: %d s and %d ns, expected neither to be negative, and less than 292 years", seconds, nanos)
	}
	return seconds*int64(time.Second) + nanos, err
}

func (a *API) callServices(ctx context.Context, _ []byte, send func([]byte) error) error {
	names, warnings, err := a.Engine.Services(ctx, tenant.From(ctx))
	if err != nil {
		return err
	}
	status.Warn(ctx, warnings)
	var msg []byte
	for _, name := range names {
		msg = protowire.AppendString(protowire.AppendTag(msg, 1, protowire.BytesType), name)
	}
	return send(msg)
}

func (a *API) callOperations(ctx context.Context, req []byte, send func([]byte) error) error {
	var service, want string
	if err := eachField(req, func(num protowire.Number, _ uint64, b []byte) error {
		switch num {
		case 1:
			service = string(b)
		case 2:
			want = string(b)
		}
		return nil
	}); err != nil {
		return err
	}
	if service == "" {
		return status.BadRequest("the service is missing, expected its name")
	}
	ops, warnings, err := a.Engine.Operations(ctx, tenant.From(ctx), service)
	if err != nil {
		return err
	}
	status.Warn(ctx, warnings)
	var msg []byte
	for _, op := range ops {
		if kind := kindTag(op.Kind); want == "" || want == kind {
			msg = appendPair(msg, op.Name, kind, 0)
		}
	}
	return send(msg)
}

func (a *API) callDependencies(ctx context.Context, req []byte, send func([]byte) error) error {
	if a.Dependencies == nil {
		return &status.Error{Code: http.StatusNotImplemented, Err: errNoMap}
	}
	to := a.Now().UnixNano()
	from := to - int64(defaultLookback)
	if err := eachField(req, func(num protowire.Number, _ uint64, b []byte) (err error) {
		switch num {
		case 1:
			from, err = nanoseconds(b)
		case 2:
			to, err = nanoseconds(b)
		}
		return err
	}); err != nil {
		return err
	}
	edges, err := a.Dependencies.Dependencies(ctx, tenant.From(ctx), from, to)
	if err != nil {
		return err
	}
	var msg []byte
	for _, e := range edges {
		msg = appendPair(msg, e.Parent, e.Child, uint64(max(e.Calls, 0)))
	}
	return send(msg)
}

// appendPair appends a message of two strings and perhaps a number as field 1.
func appendPair(out []byte, first, second string, n uint64) []byte {
	m := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), first)
	m = protowire.AppendString(protowire.AppendTag(m, 2, protowire.BytesType), second)
	if n > 0 {
		m = protowire.AppendVarint(protowire.AppendTag(m, 3, protowire.VarintType), n)
	}
	return protowire.AppendBytes(protowire.AppendTag(out, 1, protowire.BytesType), m)
}

// eachField calls f for every field of a message, with its number or bytes.
func eachField(b []byte, f func(num protowire.Number, v uint64, b []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return status.BadRequest("malformed request: %w", protowire.ParseError(n))
		}
		b = b[n:]
		var v uint64
		var text []byte
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			text, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return status.BadRequest("malformed request: field %d: %w", num, protowire.ParseError(n))
		}
		if err := f(num, v, text); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
