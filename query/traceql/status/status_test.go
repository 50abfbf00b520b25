package status_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
)

// What nobody can say is not there is not said to be missing.
func TestNotFound(t *testing.T) {
	if err := status.NotFound("no trace", nil); status.Of(err) != http.StatusNotFound || err.Error() != "no trace" {
		t.Errorf("%d %v", status.Of(err), err)
	}
	err := status.NotFound("no trace", []string{"1 of 3 shards is gone"})
	if status.Of(err) != http.StatusServiceUnavailable || !strings.Contains(err.Error(), "1 of 3 shards is gone") {
		t.Errorf("%d %v", status.Of(err), err)
	}
}

// A store that is away is no mistake in the server, and a store that cannot do
// what it is asked is.
func TestStore(t *testing.T) {
	late := storage.Unavailable(fmt.Errorf("dial: %w", context.DeadlineExceeded))
	for err, want := range map[error]codes.Code{
		fmt.Errorf("read spans: %w", late): codes.Unavailable, storage.ErrClosed: codes.Unavailable,
		errors.New("read spans: not a document"): codes.Internal, context.DeadlineExceeded: codes.DeadlineExceeded,
	} {
		if got := status.GRPC(err); grpcstatus.Code(got) != want || !strings.Contains(got.Error(), err.Error()) {
			t.Errorf("%v becomes %v, want %s", err, got, want)
		}
	}
}

func TestGRPC(t *testing.T) {
	for code, want := range map[int]codes.Code{
		http.StatusBadRequest: codes.InvalidArgument, http.StatusNotFound: codes.NotFound,
		http.StatusNotImplemented: codes.Unimplemented, http.StatusGatewayTimeout: codes.DeadlineExceeded,
		http.StatusServiceUnavailable: codes.Unavailable, status.ClientGone: codes.Canceled,
		http.StatusInternalServerError: codes.Internal,
	} {
		if got := grpcstatus.Code(status.GRPC(&status.Error{Code: code, Err: errors.New("because")})); got != want {
			t.Errorf("GRPC(%d) is %s, want %s", code, got, want)
		}
	}
	own := grpcstatus.Error(codes.ResourceExhausted, "enough")
	if got := status.GRPC(own); got != own {
		t.Errorf("an error with a status of its own became %v", got)
	}
	if got := status.GRPC(nil); got != nil {
		t.Errorf("no error became %v", got)
	}
}

func TestReportLogsWhatIsTheServersOwn(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	if code := status.Report(log, "jaeger", "/x", status.BadRequest("no")); code != http.StatusBadRequest || out.Len() > 0 {
		t.Errorf("a bad request is %d and logged as %q", code, out.String())
	}
	if code := status.Report(log, "jaeger", "/x", errors.New("broken")); code != http.StatusInternalServerError || !strings.Contains(out.String(), "broken") {
		t.Errorf("a failure is %d and logged as %q", code, out.String())
	}
}

func TestOf(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{status.BadRequest("limit is %d", -1), http.StatusBadRequest},
		{&status.Error{Code: http.StatusNotFound, Err: errors.New("no such trace")}, http.StatusNotFound},
		{&traceql.QueryError{}, http.StatusBadRequest},
		{&syntax.Error{}, http.StatusBadRequest},
		{context.Canceled, status.ClientGone},
		{context.DeadlineExceeded, http.StatusGatewayTimeout},
		{storage.ErrClosed, http.StatusServiceUnavailable},
		{storage.ErrOverloaded, http.StatusServiceUnavailable},
		{errors.New("disk on fire"), http.StatusInternalServerError},
	} {
		if got := status.Of(tt.err); got != tt.want {
			t.Errorf("Of(%v) = %d, want %d", tt.err, got, tt.want)
		}
		if got := status.Of(fmt.Errorf("answer: %w", tt.err)); got != tt.want {
			t.Errorf("Of(%v, wrapped) = %d, want %d", tt.err, got, tt.want)
		}
	}
}
