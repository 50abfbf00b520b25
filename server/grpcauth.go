package server

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/server/auth"
)

// grpcAuth authenticates gRPC calls as the middleware does HTTP requests.
func grpcAuth(a *auth.Authenticator) []grpc.ServerOption {
	check := func(ctx context.Context) (context.Context, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		out, err := a.Authenticate(ctx, first(md, "authorization"), first(md, strings.ToLower(tenant.Header)))
		switch {
		case errors.Is(err, auth.ErrUnauthenticated):
			return nil, status.Error(codes.Unauthenticated, err.Error())
		case err != nil:
			return nil, status.Error(codes.PermissionDenied, err.Error())
		}
		return out, nil
	}
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			ctx, err := check(ctx)
			if err != nil {
				return nil, err
			}
			return next(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			ctx, err := check(ss.Context())
			if err != nil {
				return err
			}
			return next(srv, &streamWithContext{ss, ctx})
		}),
	}
}

func first(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

type streamWithContext struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *streamWithContext) Context() context.Context { return s.ctx }
