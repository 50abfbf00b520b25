package zipkin

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
)

// Config holds what a request that leaves it open gets.
type Config struct {
	// Limit is how many traces a search returns.
	Limit int `yaml:"limit"`
	// Lookback is how far back searches and dependencies go.
	Lookback model.Duration `yaml:"lookback"`
	// AutocompleteKeys are the tags that the interface offers for completion.
	AutocompleteKeys []string `yaml:"autocomplete_keys"`
}

// DefaultConfig returns what Zipkin does.
func DefaultConfig() Config {
	return Config{Limit: 10, Lookback: model.Duration(24 * time.Hour), AutocompleteKeys: []string{"deployment.environment.name"}}
}

// Validate refuses defaults that would answer nothing.
func (c *Config) Validate() error {
	switch {
	case c.Limit <= 0:
		return fmt.Errorf("limit is %d, expected more than 0", c.Limit)
	case c.Lookback <= 0:
		return fmt.Errorf("lookback is %s, expected more than 0", c.Lookback)
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

// API serves Zipkin's API.
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

// handler returns an answer and the warnings that belong to it.
type handler func(r *http.Request) (any, []string, error)

// Register mounts the API on mux. Writing is the collector's.
func (a *API) Register(mux *http.ServeMux) {
	for pattern, h := range map[string]handler{
		"GET /zipkin/api/v2/services":           a.services,
		"GET /zipkin/api/v2/spans":              a.spanNames,
		"GET /zipkin/api/v2/remoteServices":     a.remoteServices,
		"GET /zipkin/api/v2/traces":             a.search,
		"GET /zipkin/api/v2/trace/{id}":         a.trace,
		"GET /zipkin/api/v2/traceMany":          a.traceMany,
		"GET /zipkin/api/v2/dependencies":       a.dependencies,
		"GET /zipkin/api/v2/autocompleteKeys":   a.autocompleteKeys,
		"GET /zipkin/api/v2/autocompleteValues": a.autocompleteValues,
		"/zipkin/":                              a.unknown,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, h) })
	}
}

func (a *API) serve(w http.ResponseWriter, r *http.Request, h handler) {
	out, warnings, err := h(r)
	if err != nil {
		http.Error(w, err.Error(), status.Report(a.Log, "zipkin", r.URL.Path, err)) // Zipkin answers errors as text
		return
	}
	body, err := json.Marshal(out)
	if err != nil {
		http.Error(w, "encode the answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	for _, text := range warnings {
		w.Header().Add(status.WarningHeader, text)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a caller that is gone cannot be told
}

func (a *API) unknown(r *http.Request) (any, []string, error) {
	return nil, nil, &status.Error{Code: http.StatusNotFound, Err: fmt.Errorf("there is nothing at %s %s in Zipkin's API as this server speaks it", r.Method, r.URL.Path)}
}
