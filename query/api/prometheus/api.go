package prometheus

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	promclient "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/features"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
)

// Prefix is the path below which Prometheus's API lives: the URL of a
// Prometheus data source is the server's address and this.
const Prefix = "/prometheus"

const apiPrefix = Prefix + "/api/v1"

// BuildInfo is what /status/buildinfo says of the server.
type BuildInfo = v1.PrometheusVersion

// Deps is what the API is given from outside. Only Metrics is needed.
type Deps struct {
	Metrics    storage.Metrics
	Logger     *slog.Logger
	Registerer promclient.Registerer
	// Gatherer is asked for figures on the status pages.
	Gatherer promclient.Gatherer
	// Rules and Alertmanagers return what /rules, /alerts and /alertmanagers
	// show of a tenant.
	Rules         func(tenant string) v1.RulesRetriever
	Alertmanagers func(tenant string) v1.AlertmanagerRetriever
	// Extra returns series of a tenant that are not stored but computed, to be
	// seen by every query, or nil.
	Extra func(tenant string) promstorage.Queryable
	// Reporters returns those who sent a tenant other things than metrics
	// since a time, and what is missing of the list; nil for none. Who sends
	// metrics is found by itself.
	Reporters func(ctx context.Context, tenant string, since time.Time) ([]Reporter, []string, error)
	// Now is the clock; nil for the system's.
	Now func() time.Time
	// ConfigYAML is what /status/config shows: no secrets, please.
	ConfigYAML func() string
	// Flags is what /status/flags shows.
	Flags map[string]string
	// Retention is shown on the status pages.
	Retention string
	Build     BuildInfo
}

// API serves Prometheus's HTTP API.
type API struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	engine  *promql.Engine
	parser  parser.Parser
	started time.Time
	now     func() time.Time
	flags   features.Collector

	mu      sync.Mutex
	tenants map[string]http.Handler
}

// New makes the API and its PromQL engine.
func New(cfg Config, deps Deps) (*API, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("prometheus api: %w", err)
	}
	if deps.Logger == nil {
		deps.Logger = promslog.NewNopLogger()
	}
	a := &API{
		cfg: cfg, deps: deps, started: time.Now(), tenants: map[string]http.Handler{},
		log:    deps.Logger.With("module", "query/prometheus"),
		parser: NewParser(),
		flags:  features.NewRegistry(),
	}
	a.now = a.deps.Now
	if a.now == nil {
		a.now = time.Now
	}
	if a.deps.Flags == nil {
		a.deps.Flags = map[string]string{}
	}
	a.engine = promql.NewEngine(promql.EngineOpts{
		Logger:                   a.log,
		Reg:                      deps.Registerer,
		MaxSamples:               cfg.MaxSamples,
		Timeout:                  time.Duration(cfg.Timeout),
		ActiveQueryTracker:       newGate(cfg.MaxConcurrent),
		LookbackDelta:            time.Duration(cfg.LookbackDelta),
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Duration(cfg.SubqueryInterval).Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		EnablePerStepStats:       true,
		FeatureRegistry:          a.flags,
		Parser:                   a.parser,
	})
	return a, nil
}

// NewParser returns the PromQL parser that the API uses, for others who must
// agree with it on what is a query.
func NewParser() parser.Parser { return parser.NewParser(parser.Options{}) }

// Engine returns the PromQL engine, for those who evaluate rules.
func (a *API) Engine() *promql.Engine { return a.engine }

// Queryable returns what queries of a tenant read: its metrics and the extra
// series.
func (a *API) Queryable(tenant string) (promstorage.SampleAndChunkQueryable, error) {
	m, err := a.deps.Metrics.Tenant(tenant)
	if err != nil {
		return nil, err
	}
	return a.merged(tenant, m), nil
}

func (a *API) merged(tenant string, m storage.TenantMetrics) promstorage.SampleAndChunkQueryable {
	if a.deps.Extra == nil {
		return m
	}
	extra := a.deps.Extra(tenant)
	if extra == nil {
		return m
	}
	return merged{stored: m, extra: extra}
}

// Close ends the engine. Requests must have ended before.
func (a *API) Close() error { return a.engine.Close() }

// Register puts the routes on mux.
func (a *API) Register(mux *http.ServeMux) {
	served := http.HandlerFunc(a.serveTenant)
	for _, path := range []string{
		"/query", "/query_range", "/query_exemplars", "/format_query", "/parse_query", "/labels", "/series",
	} {
		mux.Handle("GET "+apiPrefix+path, served)
		mux.Handle("POST "+apiPrefix+path, served)
	}
	for _, path := range []string{
		"/label/{name}/values", "/rules", "/alerts", "/alertmanagers", "/targets/metadata",
		"/status/runtimeinfo", "/status/buildinfo", "/status/flags", "/status/tsdb", "/status/tsdb/blocks",
		"/status/walreplay", "/features", "/openapi.yaml",
	} {
		mux.Handle("GET "+apiPrefix+path, served)
	}
	mux.Handle("POST "+apiPrefix+"/read", served)
	mux.HandleFunc("POST "+apiPrefix+"/label/{name}/values", a.postLabelValues)
	mux.HandleFunc("GET "+apiPrefix+"/metadata", a.metadata)
	mux.HandleFunc("GET "+apiPrefix+"/targets", a.targets)
	mux.HandleFunc("GET "+apiPrefix+"/scrape_pools", a.scrapePools)
	mux.HandleFunc("GET "+apiPrefix+"/status/config", a.statusConfig)
	mux.HandleFunc("OPTIONS "+Prefix+"/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc(Prefix+"/", notFound)
}

// serveTenant answers with the handlers of the request's tenant.
func (a *API) serveTenant(w http.ResponseWriter, r *http.Request) {
	h, err := a.handler(tenant.From(r.Context()))
	if err != nil {
		respondStoreError(w, err)
		return
	}
	h.ServeHTTP(w, r)
}

// handler returns the handlers of a tenant, made on its first request.
func (a *API) handler(name string) (http.Handler, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := a.tenants[name]; h != nil {
		return h, nil
	}
	m, err := a.deps.Metrics.Tenant(name)
	if err != nil {
		return nil, err
	}
	router := route.New().WithPrefix(apiPrefix)
	a.v1(name, m).Register(router)
	a.tenants[name] = router
	return router, nil
}

// v1 makes Prometheus's own API over the metrics of a tenant. Everything that
// writes, deletes or speaks of scraping is off.
func (a *API) v1(name string, m storage.TenantMetrics) *v1.API {
	build := a.deps.Build
	ready := func(f http.HandlerFunc) http.HandlerFunc { return f }
	noTargets := noTargets{}
	return v1.NewAPI(
		a.engine, a.merged(name, m), nil, nil, m,
		func(context.Context) v1.ScrapePoolsRetriever { return noTargets },
		func(context.Context) v1.TargetRetriever { return noTargets },
		func(context.Context) v1.AlertmanagerRetriever { return a.alertmanagers(name) },
		func() config.Config { return config.Config{} },
		a.deps.Flags, v1.GlobalURLOptions{}, ready,
		status{m}, "", false, false, 0,
		a.log.With("tenant", name),
		func(context.Context) v1.RulesRetriever { return a.rules(name) },
		a.cfg.RemoteReadMaxSamples, a.cfg.MaxConcurrent, a.cfg.RemoteReadFrameBytes,
		false, nil, a.runtimeInfo, &build, nil, nil,
		tenantGatherer{a.deps.Gatherer, name}, nil, nil,
		false, nil, false, false, false, false,
		time.Duration(a.cfg.LookbackDelta), false, false, codeOf,
		a.flags, v1.OpenAPIOptions{}, a.parser,
	)
}

func (a *API) rules(tenant string) v1.RulesRetriever {
	if a.deps.Rules != nil {
		if r := a.deps.Rules(tenant); r != nil {
			return r
		}
	}
	return noRules{}
}

func (a *API) alertmanagers(tenant string) v1.AlertmanagerRetriever {
	if a.deps.Alertmanagers != nil {
		if r := a.deps.Alertmanagers(tenant); r != nil {
			return r
		}
	}
	return noAlertmanagers{}
}

type noRules struct{}

func (noRules) RuleGroups() []*rules.Group           { return nil }
func (noRules) AlertingRules() []*rules.AlertingRule { return nil }

type noAlertmanagers struct{}

func (noAlertmanagers) Alertmanagers() []*url.URL        { return nil }
func (noAlertmanagers) DroppedAlertmanagers() []*url.URL { return nil }
