package tempo

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
)

// Config holds what a request that leaves it open gets.
type Config struct {
	// Limit is how many traces, SpansPerSet how many spans of each spanset a
	// search returns.
	Limit       int `yaml:"limit"`
	SpansPerSet int `yaml:"spans_per_set"`
	// Since is how far back a metrics query goes.
	Since model.Duration `yaml:"since"`
	// Exemplars is how many exemplars a metrics query returns.
	Exemplars int `yaml:"exemplars"`
}

// DefaultConfig returns what Tempo does.
func DefaultConfig() Config {
	return Config{Limit: 20, SpansPerSet: 3, Since: model.Duration(time.Hour), Exemplars: 100}
}

// Validate refuses defaults that would answer nothing.
func (c *Config) Validate() error {
	switch {
	case c.Limit <= 0:
		return fmt.Errorf("limit is %d, expected more than 0", c.Limit)
	case c.SpansPerSet <= 0:
		return fmt.Errorf("spans_per_set is %d, expected more than 0", c.SpansPerSet)
	case c.Since <= 0:
		return fmt.Errorf("since is %s, expected more than 0", c.Since)
	case c.Exemplars < 0:
		return fmt.Errorf("exemplars is %d, expected 0 or more", c.Exemplars)
	}
	return nil
}

// Deps is what the API needs.
type Deps struct {
	Config  Config // the zero one is DefaultConfig
	Engine  *traceql.Engine
	Version string // of the server, for buildinfo
	Log     *slog.Logger
	// Now is the clock; nil for the system's.
	Now func() time.Time
}

// API serves Tempo's API.
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

// handler answers a request or returns why it cannot.
type handler func(w http.ResponseWriter, r *http.Request) error

// Register mounts the API on mux.
func (a *API) Register(mux *http.ServeMux) {
	for pattern, h := range map[string]handler{
		"GET /tempo/api/echo":                    a.echo,
		"GET /tempo/api/status/buildinfo":        a.buildinfo,
		"GET /tempo/api/traces/{id}":             a.trace,
		"GET /tempo/api/v2/traces/{id}":          a.traceV2,
		"GET /tempo/api/search":                  a.search,
		"GET /tempo/api/search/tags":             a.tags,
		"GET /tempo/api/v2/search/tags":          a.tagsV2,
		"GET /tempo/api/search/tag/{rest...}":    a.tagValues,
		"GET /tempo/api/v2/search/tag/{rest...}": a.tagValuesV2,
		"GET /tempo/api/metrics/query_range":     a.queryRange,
		"GET /tempo/api/metrics/query":           a.queryInstant,
		"/tempo/":                                a.unknown,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				a.fail(w, r, err)
			}
		})
	}
}

func (a *API) echo(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := w.Write([]byte("echo"))
	return ignoreWrite(err)
}

func (a *API) buildinfo(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, map[string]string{
		"version": a.Version, "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "",
	})
}

func (a *API) unknown(_ http.ResponseWriter, r *http.Request) error {
	return &status.Error{Code: http.StatusNotFound, Err: fmt.Errorf("there is nothing at %s %s in Tempo's API as this server speaks it", r.Method, r.URL.Path)}
}

// fail answers with an error as Tempo does: its text.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := status.Of(err)
	if code >= http.StatusInternalServerError && code != http.StatusNotImplemented {
		a.Log.Error("tempo request failed", "path", r.URL.Path, "err", err)
	}
	http.Error(w, err.Error(), code)
}

func writeJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(body)
	return ignoreWrite(err)
}

func writeProto(w http.ResponseWriter, body []byte) error {
	w.Header().Set("Content-Type", "application/protobuf")
	_, err := w.Write(body)
	return ignoreWrite(err)
}

// ignoreWrite drops the error of writing to a caller that is gone: there is
// nobody to tell.
func ignoreWrite(error) error { return nil }

func wantsProto(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/protobuf")
}

// setWarnings says in headers what is missing from an answer whose message has
// no place for it.
func setWarnings(w http.ResponseWriter, warnings []string) {
	for _, text := range warnings {
		w.Header().Add(status.WarningHeader, text)
	}
}
