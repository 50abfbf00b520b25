package status

import (
	"context"
	"net/http"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"
)

// WarningHeader says in answers that have no place for it what is missing of
// them; over gRPC it is a trailer.
const WarningHeader = "X-Clew-Warning"

// Warn puts warnings into the trailer of a call over gRPC, whose messages have
// no place for them.
func Warn(ctx context.Context, warnings []string) {
	if len(warnings) > 0 {
		// It fails where the call is over, and then nobody listens.
		_ = grpc.SetTrailer(ctx, metadata.MD{strings.ToLower(WarningHeader): warnings})
	}
}

// GRPC gives an error its gRPC status, by way of its HTTP one. An error that
// has one already, and nil, stay as they are.
func GRPC(err error) error {
	if _, ok := grpcstatus.FromError(err); ok {
		return err
	}
	c := codes.Internal
	switch Of(err) {
	case http.StatusBadRequest:
		c = codes.InvalidArgument
	case http.StatusNotFound:
		c = codes.NotFound
	case http.StatusNotImplemented:
		c = codes.Unimplemented
	case http.StatusGatewayTimeout:
		c = codes.DeadlineExceeded
	case http.StatusServiceUnavailable:
		c = codes.Unavailable
	case ClientGone:
		c = codes.Canceled
	}
	return grpcstatus.Error(c, err.Error())
}
