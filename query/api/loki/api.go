package loki

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/storage"
)

// API serves Loki's API.
type API struct {
	cfg     Config
	engine  *logql.Engine
	reader  storage.Reader
	log     *slog.Logger
	version string
	now     func() time.Time
	rules   func(tenant string) Rules // nil for none

	// Tails outlive the server's own shutdown of connections, so they are
	// counted and stopped here.
	stop  context.CancelFunc
	alive context.Context
	tails sync.WaitGroup
	slots chan struct{}
}

// New returns the API of an engine. version is what buildinfo says; the
// logger may be nil.
func New(cfg Config, engine *logql.Engine, log *slog.Logger, version string) *API {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	alive, stop := context.WithCancel(context.Background())
	return &API{cfg: cfg, engine: engine, reader: engine.Reader(), log: log, version: version, now: time.Now,
		alive: alive, stop: stop, slots: make(chan struct{}, cfg.MaxTails)}
}

// Close ends all tails and waits for them. Requests that come later are
// answered, tails are refused.
func (a *API) Close() error {
	a.stop()
	a.tails.Wait()
	return nil
}

const prefix = "/loki/api/v1/"

// Register puts every path of the API on mux, and an answer for all other
// paths under /loki/.
func (a *API) Register(mux *http.ServeMux) {
	both := map[string]http.HandlerFunc{
		"query":                         a.query,
		"query_range":                   a.queryRange,
		"labels":                        a.labels,
		"label":                         a.labels,
		"label/{name}/values":           a.labelValues,
		"series":                        a.series,
		"index/stats":                   a.indexStats,
		"index/volume":                  a.volume,
		"index/volume_range":            a.volumeRange,
		"detected_labels":               a.detectedLabels,
		"detected_fields":               a.detectedFields,
		"detected_field/{name}/values":  a.detectedFieldValues,
		"detected_fields/{name}/values": a.detectedFieldValues,
		"patterns":                      a.patterns,
		"format_query":                  a.formatQuery,
	}
	for path, h := range both {
		mux.HandleFunc("GET "+prefix+path, a.form(h))
		mux.HandleFunc("POST "+prefix+path, a.form(h))
		mux.HandleFunc(prefix+path, only("GET, POST"))
	}
	mux.HandleFunc(prefix+"push", only("POST")) // which the way in serves
	mux.HandleFunc("GET "+prefix+"tail", a.form(a.tail))
	mux.HandleFunc("GET "+prefix+"status/buildinfo", a.buildInfo)
	mux.HandleFunc("GET "+prefix+"drilldown-limits", a.drilldownLimits)
	mux.HandleFunc("GET /loki/ready", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ready\n")) })
	mux.HandleFunc(prefix+"cache/generation_numbers", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotImplemented, "not_implemented", "there is no cache whose generation could be told")
	})
	a.registerRules(mux)
	mux.HandleFunc("/loki/", notFound)
}

// only refuses the methods that a path does not have.
func only(methods string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(methods, r.Method) { // its server is not part of this one
			notFound(w, r)
			return
		}
		w.Header().Set("Allow", methods)
		writeError(w, http.StatusMethodNotAllowed, "bad_data", r.URL.Path+" takes "+methods+", not "+r.Method)
	}
}

// form reads the parameters of a request, with a limit on a POST's body.
func (a *API) form(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, a.cfg.MaxFormBytes)
		if err := r.ParseForm(); err != nil {
			writeError(w, http.StatusBadRequest, "bad_data", "read the request's parameters: "+err.Error())
			return
		}
		h(w, r)
	}
}

func notFound(w http.ResponseWriter, r *http.Request) {
	writeError(w, http.StatusNotFound, "not_found", "there is no "+r.Method+" "+r.URL.Path+" in this API")
}
