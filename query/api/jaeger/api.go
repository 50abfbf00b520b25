package jaeger

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
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
		code := status.Report(a.Log, "jaeger", r.URL.Path, err)
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
	return nil, 0, nil, &status.Error{Code: http.StatusNotFound, Err: fmt.Errorf("there is nothing at %s %s in Jaeger's API as this server speaks it", r.Method, r.URL.Path)}
}
