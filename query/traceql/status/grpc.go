package status

import (
	"net/http"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
)

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
