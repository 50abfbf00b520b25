package native

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/internal/timearg"
	"github.com/clewhq/clew/query/compare"
	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/coverage"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/storage"
)

// statusClientGone is what nginx calls a request whose caller hung up; nobody
// reads it but the access log.
const statusClientGone = 499

//go:embed openapi.json
var openAPI []byte

// Engines are what answers.
type Engines struct {
	Stories  *correlate.Engine
	Maps     *servicemap.Engine
	Coverage *coverage.Engine
	Compare  *compare.Engine
}

// API answers under /api/v1/.
type API struct {
	Engines
	log *slog.Logger
	now func() time.Time
}

// New returns the API over the engines. A nil log is silent and a nil now the
// system's clock.
func New(e Engines, log *slog.Logger, now func() time.Time) *API {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	return &API{Engines: e, log: log, now: now}
}

// Register adds the API's paths to mux.
func (a *API) Register(mux *http.ServeMux) {
	// A whole header is a question, and some have slashes.
	mux.HandleFunc("GET /api/v1/correlate/{id...}", a.handle(a.correlate))
	mux.HandleFunc("GET /api/v1/correlate/{$}", unknownPath)
	mux.HandleFunc("POST /api/v1/correlate", a.handle(a.correlateMany))
	mux.HandleFunc("GET /api/v1/servicemap", a.handle(a.servicemap))
	mux.HandleFunc("GET /api/v1/coverage", a.handle(a.coverage))
	mux.HandleFunc("GET /api/v1/compare", a.handle(a.compare))
	mux.HandleFunc("GET /api/v1/openapi.json", a.describe)
	for path, allowed := range map[string]string{"/api/v1/correlate/{id...}": "GET, HEAD", "/api/v1/correlate": "POST", "/api/v1/servicemap": "GET, HEAD",
		"/api/v1/coverage": "GET, HEAD", "/api/v1/compare": "GET, HEAD", "/api/v1/openapi.json": "GET, HEAD"} {
		mux.HandleFunc(path, methodNotAllowed(allowed))
	}
	mux.HandleFunc("/api/v1/", unknownPath)
}

// badRequest is an error of the one who asks.
type badRequest struct{ error }

// handle turns what f returns into an answer.
func (a *API) handle(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := f(r)
		if err == nil {
			if t, ok := answer.(text); ok {
				t.write(w)
				return
			}
			writeJSON(w, http.StatusOK, answer)
			return
		}
		code := statusOf(err)
		if code == http.StatusInternalServerError {
			a.log.Error("a question failed", "path", r.URL.Path, "tenant", tenant.From(r.Context()), "error", err)
		}
		writeError(w, code, err.Error())
	}
}

func statusOf(err error) int {
	var bad badRequest
	switch {
	case errors.Is(err, correlate.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, correlate.ErrBadRequest), errors.Is(err, compare.ErrBadRequest), errors.As(err, &bad):
		return http.StatusBadRequest
	case storage.IsPassing(err):
		return http.StatusServiceUnavailable
	case errors.Is(err, context.Canceled):
		return statusClientGone
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

func (a *API) describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // the caller may have gone
}

func methodNotAllowed(allowed string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allowed)
		only, _, _ := strings.Cut(allowed, ",")
		writeError(w, http.StatusMethodNotAllowed, fmt.Sprintf("%s %s: only %s is known here", r.Method, r.URL.Path, only))
	}
}

func unknownPath(w http.ResponseWriter, r *http.Request) {
	writeError(w, http.StatusNotFound, fmt.Sprintf("%s is no path of this API: see /api/v1/openapi.json; Prometheus's is at /prometheus/api/v1", r.URL.Path))
}

func writeError(w http.ResponseWriter, code int, text string) {
	writeJSON(w, code, map[string]string{"error": text})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the caller may have gone
}

// params reads query parameters; the first wrong one is kept in err.
type params struct {
	r   *http.Request
	now time.Time
	err *error
}

// arg is a parameter of the address. The body is not looked at: what curl -d
// sends calls itself a form, whatever it is.
func arg(r *http.Request, name string) string { return r.URL.Query().Get(name) }

func (p params) arg(name string) string { return arg(p.r, name) }

func (p params) time(name string, otherwise int64) int64 {
	s := p.arg(name)
	if s == "" {
		return otherwise
	}
	t, err := timearg.Parse(s, p.now)
	if err != nil && *p.err == nil {
		*p.err = badRequest{fmt.Errorf("parameter %s: %w", name, err)}
	}
	return t.UnixNano()
}

func (p params) number(name string, otherwise, least int) int {
	s := p.arg(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if (err != nil || n < least) && *p.err == nil {
		*p.err = badRequest{fmt.Errorf("parameter %s is %q: want a whole number from %d", name, s, least)}
	}
	return n
}
