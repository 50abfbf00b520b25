package otlp

import (
	"context"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
)

// GRPC serves OTLP over gRPC.
type GRPC struct {
	gate    *admission.Gate
	signals []signal
}

// NewGRPC returns the services of the three signals; see NewHTTP.
func NewGRPC(gate *admission.Gate, metrics sink) *GRPC {
	return &GRPC{gate: gate, signals: signals(gate, metrics)}
}

// ServerOptions are what a server needs to have the services registered: a
// codec that leaves their messages as they came, and the size limit.
func ServerOptions(l body.Limits) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(int(l.MaxDecompressedBytes)),
	}
}

// Register adds the services to a server made with ServerOptions.
func (g *GRPC) Register(s grpc.ServiceRegistrar) {
	for i := range g.signals {
		sig := &g.signals[i]
		method := "/" + sig.service + "/Export"
		s.RegisterService(&grpc.ServiceDesc{
			ServiceName: sig.service,
			HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: func(_ any, ctx context.Context,
				decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
				var raw payload
				if err := decode(&raw); err != nil {
					return nil, err
				}
				handle := func(ctx context.Context, req any) (any, error) { return g.export(ctx, sig, *req.(*payload)) }
				if interceptor == nil {
					return handle(ctx, &raw)
				}
				return interceptor(ctx, &raw, &grpc.UnaryServerInfo{Server: g, FullMethod: method}, handle)
			}}},
		}, g)
	}
}

func (g *GRPC) export(ctx context.Context, s *signal, raw []byte) (any, error) {
	start := g.gate.Now()
	flight := g.gate.InFlight().Begin()
	defer flight.End()
	var out admission.Outcome
	err := flight.Use(ctx, admission.DecodedRatio*int64(len(raw)))
	if err == nil {
		out, err = s.sink(ctx, overGRPC, raw)
	}
	if refused := g.gate.Done(s.name, overGRPC, start, err); refused != nil {
		return nil, asStatus(refused).Err()
	}
	return payload(answerProto(&out)), nil
}

// asStatus tells the client of a refusal. To OTLP's clients ResourceExhausted
// means "give up" unless it comes with a RetryInfo.
func asStatus(r *admission.Refusal) *status.Status {
	st := status.New(r.GRPC, r.Error())
	if r.RetryAfter > 0 && (r.GRPC == codes.ResourceExhausted || r.GRPC == codes.Unavailable) {
		if detailed, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(r.RetryAfter)}); err == nil {
			return detailed
		}
	}
	return st
}
