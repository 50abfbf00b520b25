package tempo

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
)

// protoMessage is an answer that has a protobuf form.
type protoMessage interface{ appendProto([]byte) []byte }

// streamHandler answers one call of the streaming service; it may send
// several messages.
type streamHandler func(ctx context.Context, req fields, send func(protoMessage) error) error

// RegisterGRPC registers tempopb.StreamingQuerier, which Grafana calls on the
// host and port of the data source. Messages travel as the unknown fields of
// an empty one, so that the server's usual protobuf codec carries them and no
// generated code is needed.
func (a *API) RegisterGRPC(s *grpc.Server) {
	desc := grpc.ServiceDesc{ServiceName: "tempopb.StreamingQuerier", HandlerType: (*any)(nil), Metadata: "tempo.proto"}
	for name, h := range map[string]streamHandler{
		"Search":              a.streamSearch,
		"SearchTags":          a.streamTags,
		"SearchTagsV2":        a.streamTagsV2,
		"SearchTagValues":     a.streamTagValues,
		"SearchTagValuesV2":   a.streamTagValuesV2,
		"MetricsQueryRange":   a.streamQueryRange,
		"MetricsQueryInstant": a.streamQueryInstant,
	} {
		desc.Streams = append(desc.Streams, grpc.StreamDesc{
			StreamName: name, ServerStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error { return serveStream(h, stream) },
		})
	}
	s.RegisterService(&desc, a)
}

func serveStream(h streamHandler, stream grpc.ServerStream) error {
	in := &emptypb.Empty{}
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	req, err := parseFields(in.ProtoReflect().GetUnknown())
	if err == nil {
		err = h(stream.Context(), req, func(m protoMessage) error {
			out := &emptypb.Empty{}
			out.ProtoReflect().SetUnknown(m.appendProto(nil))
			return stream.SendMsg(out)
		})
	}
	return status.GRPC(err)
}

// fields are the fields of a flat protobuf message, the last of each number.
type fields struct {
	ints  map[protowire.Number]uint64
	texts map[protowire.Number]string
	// pairs are the entries of the map in field 1, which only a search has.
	pairs [][2]string
}

func parseFields(b []byte) (fields, error) {
	f := fields{ints: map[protowire.Number]uint64{}, texts: map[protowire.Number]string{}}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return f, status.BadRequest("malformed request: %w", protowire.ParseError(n))
		}
		b = b[n:]
		switch typ {
		case protowire.VarintType:
			v, m := protowire.ConsumeVarint(b)
			f.ints[num], n = v, m
		case protowire.BytesType:
			v, m := protowire.ConsumeString(b)
			f.texts[num], n = v, m
			if num == 1 && m >= 0 {
				f.pair([]byte(v))
			}
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return f, status.BadRequest("malformed request: field %d: %w", num, protowire.ParseError(n))
		}
		b = b[n:]
	}
	return f, nil
}

// pair notes field 1 as an entry of a map of strings, where it is one.
func (f *fields) pair(b []byte) {
	var out [2]string
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 || typ != protowire.BytesType || num > 2 {
			return
		}
		v, m := protowire.ConsumeString(b[n:])
		if m < 0 {
			return
		}
		out[num-1] = v
		b = b[n+m:]
	}
	if out[0] != "" {
		f.pairs = append(f.pairs, out)
	}
}

// seconds returns the range in fields given as Unix seconds, as nanoseconds.
func (f *fields) seconds(start, end protowire.Number) (from, to int64, err error) {
	s, e := f.ints[start], f.ints[end]
	if e != 0 && e <= s || s > 1<<32 || e > 1<<32 {
		return 0, 0, status.BadRequest("start must be before end. received start=%d end=%d", s, e)
	}
	return int64(s) * int64(time.Second), int64(e) * int64(time.Second), nil
}

// searchValues turns a SearchRequest into the parameters of the HTTP form.
func searchValues(f *fields) url.Values {
	q := url.Values{}
	set := func(name string, n uint64) {
		if n != 0 {
			q.Set(name, strconv.FormatUint(n, 10))
		}
	}
	q.Set("q", f.texts[8])
	set("limit", f.ints[4])
	set("start", f.ints[5])
	set("end", f.ints[6])
	set("spss", f.ints[9])
	if f.texts[8] != "" {
		return q
	}
	for name, num := range map[string]protowire.Number{"minDuration": 2, "maxDuration": 3} {
		if n := f.ints[num]; n != 0 {
			q.Set(name, fmt.Sprintf("%dms", n))
		}
	}
	tags := ""
	for _, p := range f.pairs {
		tags += p[0] + "=" + strconv.Quote(p[1]) + " "
	}
	q.Set("tags", tags)
	return q
}

func (a *API) streamSearch(ctx context.Context, f fields, send func(protoMessage) error) error {
	req, err := a.searchRequest(searchValues(&f))
	if err != nil {
		return err
	}
	const jobs = 100 // the progress bar's resolution
	req.Tenant = tenant.From(ctx)
	req.Progress = func(found []traceql.TraceResult, done float64) error {
		part := newSearchResponse(found, &traceql.Stats{}, false)
		part.Metrics.TotalJobs, part.Metrics.CompletedJobs = jobs, uint32(done*jobs)
		return sendAll(part.split(), send)
	}
	res, err := a.Engine.Search(ctx, *req)
	if err != nil {
		return err
	}
	last := newSearchResponse(res.Traces, &res.Stats, false)
	last.Metrics.TotalJobs, last.Metrics.CompletedJobs = jobs, jobs
	if len(res.Warnings) > 0 {
		last.Metrics.CompletedJobs--
	}
	status.Warn(ctx, res.Warnings)
	return sendAll(last.split(), send)
}

// tagFields reads a request for names or values. Names and values number
// their fields differently.
func tagFields(ctx context.Context, f *fields, start, end, limit protowire.Number) (traceql.TagsRequest, error) {
	from, to, err := f.seconds(start, end)
	return traceql.TagsRequest{Tenant: tenant.From(ctx), Filter: traceql.ParseFilter(f.texts[2]),
		From: from, To: to, Limit: int(f.ints[limit] & 0x7fffffff)}, err
}

func (a *API) streamTags(ctx context.Context, f fields, send func(protoMessage) error) error {
	req, err := tagFields(ctx, &f, 3, 4, 5)
	if err != nil {
		return err
	}
	out, warnings, err := a.tagNames(ctx, f.texts[1], req)
	if err != nil {
		return err
	}
	status.Warn(ctx, warnings)
	return send(out)
}

func (a *API) streamTagsV2(ctx context.Context, f fields, send func(protoMessage) error) error {
	req, err := tagFields(ctx, &f, 3, 4, 5)
	if err != nil {
		return err
	}
	out, warnings, err := a.tagNamesV2(ctx, f.texts[1], req)
	if err != nil {
		return err
	}
	status.Warn(ctx, warnings)
	return send(out)
}

func (a *API) streamTagValues(ctx context.Context, f fields, send func(protoMessage) error) error {
	req, err := tagFields(ctx, &f, 4, 5, 6)
	if err != nil {
		return err
	}
	out, warnings, err := a.values(ctx, f.texts[1], req)
	if err != nil {
		return err
	}
	status.Warn(ctx, warnings)
	return send(out)
}

func (a *API) streamTagValuesV2(ctx context.Context, f fields, send func(protoMessage) error) error {
	req, err := tagFields(ctx, &f, 4, 5, 6)
	if err != nil {
		return err
	}
	out, warnings, err := a.valuesV2(ctx, f.texts[1], req)
	if err != nil {
		return err
	}
	status.Warn(ctx, warnings)
	return send(out)
}

// metricsFields reads what range and instant queries have in common: times
// are nanoseconds here.
func (a *API) metricsFields(ctx context.Context, f *fields) (*traceql.MetricsRequest, error) {
	parsed, err := queryParam(url.Values{"q": {f.texts[1]}}, "q")
	if err != nil {
		return nil, err
	}
	if parsed.Metrics == nil {
		return nil, status.BadRequest("invalid TraceQL query: %w", traceql.ErrNoMetrics)
	}
	req := &traceql.MetricsRequest{Tenant: tenant.From(ctx), Query: parsed, Now: a.Now().UnixNano(), Exemplars: a.Deps.Config.Exemplars,
		From: int64(f.ints[2]), To: int64(f.ints[3])}
	if req.From < 0 || req.To <= req.From {
		return nil, status.BadRequest("end must be after start, received start=%d end=%d", req.From, req.To)
	}
	return req, nil
}

func (a *API) streamQueryRange(ctx context.Context, f fields, send func(protoMessage) error) error {
	req, err := a.metricsFields(ctx, &f)
	if err != nil {
		return err
	}
	if req.Step = int64(f.ints[4]); req.Step <= 0 {
		req.Step = traceql.DefaultStep(req.From, req.To)
	}
	if n := f.ints[16]; n > 0 {
		req.Exemplars = int(n & 0x7fffffff)
	}
	res, err := a.Engine.QueryRange(ctx, *req)
	if err != nil {
		return err
	}
	return sendAll(newQueryRangeResponse(res).split(), send)
}

func (a *API) streamQueryInstant(ctx context.Context, f fields, send func(protoMessage) error) error {
	req, err := a.metricsFields(ctx, &f)
	if err != nil {
		return err
	}
	req.Instant = true
	res, err := a.Engine.QueryRange(ctx, *req)
	if err != nil {
		return err
	}
	return send(newQueryInstantResponse(res))
}
