package otlp

import (
	"sync"

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
	largest largest
}

// NewGRPC returns the services of the three signals; see NewHTTP.
func NewGRPC(gate *admission.Gate, metrics sink) *GRPC {
	return &GRPC{gate: gate, signals: signals(gate, metrics), largest: largest{bytes: firstExpected}}
}

// The windows of flow control: what clients may send before a message of theirs
// is read, or while it has to wait. Once it is read, gRPC grants what it needs.
const (
	streamWindow     = 256 << 10
	connectionWindow = 1 << 20
)

// ServerOptions are what a server needs to have the services registered: a
// codec that leaves their messages as they came, and the size limit.
func ServerOptions(l body.Limits) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(int(l.MaxDecompressedBytes)),
		grpc.InitialWindowSize(streamWindow),
		grpc.InitialConnWindowSize(connectionWindow),
	}
}

// Register adds the services to a server made with ServerOptions. To the server
// they are streams of one message: a unary call's is read before anyone is asked
// whether the caller may send it and whether there is room for it.
func (g *GRPC) Register(s grpc.ServiceRegistrar) {
	for i := range g.signals {
		sig := &g.signals[i]
		s.RegisterService(&grpc.ServiceDesc{
			ServiceName: sig.service,
			HandlerType: (*any)(nil),
			Streams: []grpc.StreamDesc{{StreamName: "Export", Handler: func(_ any, stream grpc.ServerStream) error {
				return g.export(stream, sig)
			}}},
		}, g)
	}
}

func (g *GRPC) export(stream grpc.ServerStream, s *signal) error {
	ctx, start := stream.Context(), g.gate.Now()
	flight := g.gate.InFlight().Begin()
	defer flight.End()
	var raw payload
	err := flight.Reserve(ctx, admission.DecodedRatio*g.largest.expected())
	if err == nil {
		if err := stream.RecvMsg(&raw); err != nil {
			return err // gRPC's own, with its status
		}
		g.largest.came(int64(len(raw)))
		err = flight.Settle(ctx, admission.DecodedRatio*int64(len(raw)))
	}
	var out admission.Outcome
	if err == nil {
		out, err = s.sink(ctx, overGRPC, raw)
	}
	if refused := g.gate.Done(s.name, overGRPC, start, err); refused != nil {
		return asStatus(refused).Err()
	}
	return stream.SendMsg(payload(answerProto(&out)))
}

// firstExpected is how large a message is taken to be while none has come: as
// large as gRPC's libraries let one be by default.
const firstExpected = 4 << 20

// largest is about the size of the largest messages of late: how large the next
// one is, is known only when it has been read.
type largest struct {
	mu    sync.Mutex
	bytes int64
}

// forgetting is how fast large messages are forgotten: by one part in so many
// with each smaller one.
const forgetting = 64

func (l *largest) came(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes = max(n, l.bytes-(l.bytes-n)/forgetting)
}

func (l *largest) expected() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
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
