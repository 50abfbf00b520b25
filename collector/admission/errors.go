package admission

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry/otlp"
)

// Refusal is a request that is refused as a whole, for a reason every
// protocol tells in its own shape.
type Refusal struct {
	HTTP       int        // status code
	GRPC       codes.Code // the same for gRPC
	RetryAfter time.Duration
	Reason     string // label of clew_collector_refused_requests_total
	Err        error
}

// Error returns the sentence the client gets.
func (r *Refusal) Error() string { return clean(r.Err.Error()) }

// Unwrap returns the error behind it.
func (r *Refusal) Unwrap() error { return r.Err }

// SetHeaders sets Retry-After where the client should come again.
func (r *Refusal) SetHeaders(h http.Header) {
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((r.RetryAfter+time.Second-1)/time.Second)))
	}
}

// Invalid refuses a request whose bytes are not what they should be.
func Invalid(format string, args ...any) *Refusal {
	return &Refusal{HTTP: http.StatusBadRequest, GRPC: codes.InvalidArgument, Reason: "malformed", Err: fmt.Errorf(format, args...)}
}

// TooLarge refuses a request whose body is over a limit.
func TooLarge(format string, args ...any) *Refusal {
	return &Refusal{HTTP: http.StatusRequestEntityTooLarge, GRPC: codes.ResourceExhausted, Reason: "too_large", Err: fmt.Errorf(format, args...)}
}

// Unsupported refuses a content type or encoding nobody here reads.
func Unsupported(format string, args ...any) *Refusal {
	return &Refusal{HTTP: http.StatusUnsupportedMediaType, GRPC: codes.Unimplemented, Reason: "unsupported_media_type", Err: fmt.Errorf(format, args...)}
}

// rateLimited is a request over a tenant's limit.
type rateLimited struct {
	what  string
	limit float64
	after time.Duration
}

func (e *rateLimited) Error() string {
	return fmt.Sprintf("over the tenant's limit of %g %s per second; send again in %s", e.limit, e.what, e.after.Round(time.Millisecond))
}

// Refuse turns any error of the way in into a Refusal. It is the one place
// where errors get their status codes.
func (g *Gate) Refuse(err error) *Refusal {
	retry := time.Duration(g.cfg.RetryAfter)
	var r *Refusal
	var limited *rateLimited
	var crowd *overInFlight
	switch {
	case errors.As(err, &r):
		return r
	case errors.As(err, &limited):
		return &Refusal{http.StatusTooManyRequests, codes.ResourceExhausted, limited.after, "rate_limited", err}
	case errors.As(err, &crowd):
		return &Refusal{http.StatusTooManyRequests, codes.ResourceExhausted, retry, "in_flight", err}
	case errors.Is(err, otlp.ErrMalformed):
		return &Refusal{HTTP: http.StatusBadRequest, GRPC: codes.InvalidArgument, Reason: "malformed", Err: err}
	case errors.Is(err, storage.ErrDiskFull):
		return &Refusal{http.StatusServiceUnavailable, codes.Unavailable, retry, "disk_full", err}
	case errors.Is(err, storage.ErrStuck):
		return &Refusal{http.StatusServiceUnavailable, codes.Unavailable, retry, "stuck", err}
	case errors.Is(err, storage.ErrOverloaded):
		return &Refusal{http.StatusTooManyRequests, codes.ResourceExhausted, retry, "overloaded", err}
	case errors.Is(err, storage.ErrClosed):
		return &Refusal{http.StatusServiceUnavailable, codes.Unavailable, retry, "closing", err}
	case errors.Is(err, context.Canceled):
		return &Refusal{http.StatusServiceUnavailable, codes.Canceled, retry, "canceled", err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Refusal{http.StatusServiceUnavailable, codes.DeadlineExceeded, retry, "deadline", err}
	}
	// Anything else a store says is its own trouble: a status that lets the
	// client keep the data and send it again.
	return &Refusal{http.StatusServiceUnavailable, codes.Unavailable, retry, "internal", err}
}
