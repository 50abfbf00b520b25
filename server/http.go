package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/server/auth"
)

// open lists what is served without credentials: what tells whether the
// process lives, and the page that then asks for them.
var open = map[string]bool{"/healthz": true, "/readyz": true, "/": true}

// middleware is what every HTTP request passes before it reaches a room.
type middleware struct {
	auth     *auth.Authenticator
	log      *slog.Logger
	duration *prometheus.HistogramVec
	panics   prometheus.Counter
}

func newMiddleware(a *auth.Authenticator, log *slog.Logger, reg prometheus.Registerer) *middleware {
	m := &middleware{
		auth: a, log: log,
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "clew_http_request_duration_seconds",
			Help:    "Time to answer HTTP requests, by route and status code.",
			Buckets: []float64{.001, .005, .025, .1, .25, 1, 2.5, 10, 60},
		}, []string{"method", "route", "code"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "clew_http_panics_total",
			Help: "Requests that failed by a bug in clew; each is in the log with its stack.",
		}),
	}
	reg.MustRegister(m.duration, m.panics)
	return m
}

// wrap puts the middleware around mux: measure, recover, authenticate,
// compress, route.
func (m *middleware) wrap(mux *http.ServeMux) http.Handler {
	compressed, err := gzhttp.NewWrapper(gzhttp.MinSize(1024))
	if err != nil {
		panic(fmt.Sprintf("gzhttp refuses its options: %v", err)) // options are constants
	}
	routed := compressed(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		sw := &statusWriter{ResponseWriter: w, code: http.StatusOK}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				m.panics.Inc()
				m.log.Error("a request hit a bug", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
				if !sw.wrote {
					writeError(sw, http.StatusInternalServerError, "internal error; the server's log has the details")
				}
			}
			m.duration.WithLabelValues(method(r.Method), route(r.Pattern), strconv.Itoa(sw.code)).Observe(time.Since(start).Seconds())
		}()
		if !open[r.URL.Path] {
			ctx, err := m.auth.Authenticate(r.Context(), r.Header.Get("Authorization"), r.Header.Get(tenant.Header))
			if err != nil {
				m.refuse(sw, err)
				return
			}
			r = r.WithContext(ctx)
		}
		// mux.Handler tells the pattern before a wrapper copies the request.
		_, r.Pattern = mux.Handler(r)
		routed.ServeHTTP(sw, r)
	})
}

func (m *middleware) refuse(w http.ResponseWriter, err error) {
	code := http.StatusForbidden
	if errors.Is(err, auth.ErrUnauthenticated) {
		code = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", m.auth.Challenge())
	}
	writeError(w, code, err.Error())
}

// method keeps the label's values few: a caller can send any word.
func method(s string) string {
	switch s {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions:
		return s
	}
	return "other"
}

func route(pattern string) string {
	if pattern == "" {
		return "none"
	}
	if _, path, ok := strings.Cut(pattern, " "); ok {
		return path
	}
	return pattern
}

// statusWriter remembers the status code of an answer.
type statusWriter struct {
	http.ResponseWriter
	code  int
	wrote bool
}

func (w *statusWriter) WriteHeader(code int) {
	if !w.wrote {
		w.code, w.wrote = code, true
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach Flush and Hijack.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// writeError answers in the shape of clew's own API.
func writeError(w http.ResponseWriter, code int, text string) {
	writeJSON(w, code, map[string]string{"error": text})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the caller hung up; there is nobody left to tell
}

// notFound answers every path that no room has claimed.
func notFound(w http.ResponseWriter, r *http.Request) {
	writeError(w, http.StatusNotFound, fmt.Sprintf(
		"no such path: %s; APIs are at /loki/api/v1, /prometheus/api/v1, /tempo/api, /jaeger/api, /zipkin/api/v2, /otlp/v1, /elastic and /api/v1", r.URL.Path))
}

// notFoundOTLP answers unknown paths of the OTLP listener.
func notFoundOTLP(w http.ResponseWriter, r *http.Request) {
	writeError(w, http.StatusNotFound, fmt.Sprintf("no such path: %s; this listener takes OTLP at POST /v1/logs, /v1/traces and /v1/metrics", r.URL.Path))
}
