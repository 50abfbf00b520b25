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
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/internal/timearg"
	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/servicemap"
)

// statusClientGone is what nginx calls a request whose caller hung up; nobody
// reads it but the access log.
const statusClientGone = 499

//go:embed openapi.json
var openAPI []byte

// API answers under /api/v1/.
type API struct {
	stories *correlate.Engine
	maps    *servicemap.Engine
	log     *slog.Logger
	now     func() time.Time
}

// New returns the API over the two engines. A nil log is silent and a nil now
// the system's clock.
func New(stories *correlate.Engine, maps *servicemap.Engine, log *slog.Logger, now func() time.Time) *API {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	return &API{stories: stories, maps: maps, log: log, now: now}
}

// Register adds the API's paths to mux.
func (a *API) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/correlate/{id}", a.handle(a.correlate))
	mux.HandleFunc("GET /api/v1/servicemap", a.handle(a.servicemap))
	mux.HandleFunc("GET /api/v1/openapi.json", a.describe)
	for _, path := range []string{"/api/v1/correlate/{id}", "/api/v1/servicemap", "/api/v1/openapi.json"} {
		mux.HandleFunc(path, methodNotAllowed)
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
	case errors.Is(err, correlate.ErrBadRequest), errors.As(err, &bad):
		return http.StatusBadRequest
	case errors.Is(err, context.Canceled):
		return statusClientGone
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

func (a *API) correlate(r *http.Request) (any, error) {
	q := correlate.Request{Tenant: tenant.From(r.Context()), ID: r.PathValue("id")}
	var err error
	p := params{r: r, now: a.now(), err: &err}
	q.From, q.To = p.time("from", 0), p.time("to", 0)
	q.Hops, q.Limit = p.number("hops", -1, 0), p.number("limit", 0, 1)
	if err != nil {
		return nil, err
	}
	return a.stories.Correlate(r.Context(), q)
}

func (a *API) servicemap(r *http.Request) (any, error) {
	cfg, now := a.maps.Config(), a.now()
	var err error
	p := params{r: r, now: now, err: &err}
	to := p.time("to", now.UnixNano())
	from := p.time("from", max(to-int64(time.Duration(cfg.DefaultRange)), 0))
	service := r.FormValue("service")
	depth := p.number("depth", 1, 0)
	switch {
	case err != nil:
		return nil, err
	case from >= to:
		return nil, badRequest{fmt.Errorf("parameter from (%s) must be before to (%s)", stamp(from), stamp(to))}
	case depth > cfg.MaxDepth:
		return nil, badRequest{fmt.Errorf("parameter depth is %d: want 0 to %d", depth, cfg.MaxDepth)}
	case service == "" && r.FormValue("depth") != "":
		return nil, badRequest{errors.New("parameter depth says how far around a service: give service, too")}
	}
	m, err := a.maps.Map(r.Context(), servicemap.Query{Tenant: tenant.From(r.Context()), From: from, To: to})
	if err != nil || service == "" {
		return m, err
	}
	return m.Around(service, depth), nil
}

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

func (a *API) describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // the caller may have gone
}

func methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", "GET, HEAD")
	writeError(w, http.StatusMethodNotAllowed, fmt.Sprintf("%s %s: only GET is known here", r.Method, r.URL.Path))
}

func unknownPath(w http.ResponseWriter, r *http.Request) {
	writeError(w, http.StatusNotFound, fmt.Sprintf("%s is no path of this API: see /api/v1/openapi.json", r.URL.Path))
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

func (p params) time(name string, otherwise int64) int64 {
	s := p.r.FormValue(name)
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
	s := p.r.FormValue(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if (err != nil || n < least) && *p.err == nil {
		*p.err = badRequest{fmt.Errorf("parameter %s is %q: want a whole number from %d", name, s, least)}
	}
	return n
}
