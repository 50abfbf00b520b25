package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
)

// Config holds what a request that leaves it open gets.
type Config struct {
	// Limit is how many traces a search returns.
	Limit int `yaml:"limit"`
}

// DefaultConfig returns what Jaeger does.
func DefaultConfig() Config { return Config{Limit: 100} }

// Validate refuses a limit that would answer nothing.
func (c *Config) Validate() error {
	if c.Limit <= 0 {
		return fmt.Errorf("limit is %d, expected more than 0", c.Limit)
	}
	return nil
}

// Deps is what the API needs.
type Deps struct {
	Config Config // the zero one is DefaultConfig
	Engine *traceql.Engine
	// Dependencies is the service map; nil where there is none, and then its
	// endpoint says so.
	Dependencies traceql.Dependencies
	Log          *slog.Logger
	Now          func() time.Time // nil for the system's clock
}

// API serves Jaeger's API.
type API struct{ Deps }

// New returns the API.
func New(d Deps) *API {
	if d.Config.Limit == 0 {
		d.Config = DefaultConfig()
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	return &API{d}
}

// envelope is what every answer of the API comes in.
type envelope struct {
	Data   any        `json:"data"`
	Total  int        `json:"total"`
	Limit  int        `json:"limit"`
	Offset int        `json:"offset"`
	Errors []apiError `json:"errors"`
}

type apiError struct {
	Code    int    `json:"code,omitempty"`
	Msg     string `json:"msg"`
	TraceID string `json:"traceID,omitempty"`
}

// handler returns the data of an answer, how many they are, and the warnings.
type handler func(r *http.Request) (data any, total int, warnings []string, err error)

// Register mounts the API on mux.
func (a *API) Register(mux *http.ServeMux) {
	for pattern, h := range map[string]handler{
		"GET /jaeger/api/services":                      a.services,
		"GET /jaeger/api/services/{service}/operations": a.serviceOperations,
		"GET /jaeger/api/operations":                    a.operations,
		"GET /jaeger/api/traces":                        a.search,
		"GET /jaeger/api/traces/{id}":                   a.trace,
		"GET /jaeger/api/dependencies":                  a.dependencies,
		"/jaeger/":                                      a.unknown,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, h) })
	}
	a.registerV3(mux)
}

func (a *API) serve(w http.ResponseWriter, r *http.Request, h handler) {
	data, total, warnings, err := h(r)
	if err != nil {
		code := a.statusOf(r, err)
		write(w, code, envelope{Errors: []apiError{{Code: code, Msg: err.Error()}}})
		return
	}
	out := envelope{Data: data, Total: total}
	for _, text := range warnings {
		out.Errors = append(out.Errors, apiError{Msg: text})
	}
	write(w, http.StatusOK, out)
}

func write(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "encode the answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body) // a caller that is gone cannot be told
}

func (a *API) unknown(r *http.Request) (any, int, []string, error) {
	return nil, 0, nil, &statusError{http.StatusNotFound, fmt.Errorf("there is nothing at %s %s in Jaeger's API as this server speaks it", r.Method, r.URL.Path)}
}

// statusError is an error with its HTTP status.
type statusError struct {
	code int
	err  error
}

// Error is the message of the error inside.
func (e *statusError) Error() string { return e.err.Error() }

// Unwrap returns the error inside.
func (e *statusError) Unwrap() error { return e.err }

func badRequest(format string, args ...any) error {
	return &statusError{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

// statusOf maps an error to its HTTP status, the one place that does, and logs
// those that are the server's own.
func (a *API) statusOf(r *http.Request, err error) int {
	var (
		status      *statusError
		query       *traceql.QueryError
		unsupported *syntax.UnsupportedError
	)
	switch {
	case errors.As(err, &status):
		return status.code
	case errors.As(err, &unsupported):
		return http.StatusNotImplemented
	case errors.As(err, &query):
		return http.StatusBadRequest
	case errors.Is(err, context.Canceled):
		return 499 // the caller hung up; nobody reads this
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case errors.Is(err, storage.ErrClosed), errors.Is(err, storage.ErrOverloaded):
		return http.StatusServiceUnavailable
	}
	a.Log.Error("jaeger request failed", "path", r.URL.Path, "err", err)
	return http.StatusInternalServerError
}
