package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	promstorage "github.com/prometheus/prometheus/storage"
	v1 "github.com/prometheus/prometheus/web/api/v1"
	"google.golang.org/grpc"

	"github.com/clewhq/clew/collector"
	"github.com/clewhq/clew/query/api/deletion"
	"github.com/clewhq/clew/query/api/export"
	"github.com/clewhq/clew/query/api/jaeger"
	"github.com/clewhq/clew/query/api/loki"
	"github.com/clewhq/clew/query/api/native"
	promapi "github.com/clewhq/clew/query/api/prometheus"
	"github.com/clewhq/clew/query/api/tempo"
	"github.com/clewhq/clew/query/api/zipkin"
	"github.com/clewhq/clew/query/compare"
	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/coverage"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/server/web"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/metrics"
	"github.com/clewhq/clew/storage/metrics/remote"
)

// stores are the rooms that keep data, and the way into them.
type stores struct {
	records   storage.Store
	deleter   storage.Deleter
	elastic   *elastic.Store // records, where they are kept in Elasticsearch
	metrics   storage.Metrics
	remote    *remote.Store // metrics, where they are kept elsewhere
	collector *collector.Collector
}

func (s *Server) openStores(ctx context.Context) error {
	s.stores = &stores{}
	err := s.cfg.Correlation.Apply() // before the first record is replayed
	if err != nil {
		return fmt.Errorf("correlation: %w", err)
	}
	s.limits = newLimits(s.cfg)
	if err := s.openRecords(ctx); err != nil {
		return err
	}
	s.onStop("the store of logs and spans", func(context.Context) error { return s.stores.records.Close() })
	if err := s.openMetrics(); err != nil {
		return err
	}
	s.onStop("the store of metrics", func(context.Context) error { return s.stores.metrics.Close() })
	s.stores.collector, err = collector.New(s.cfg.Intake(), collector.Deps{
		Records: s.stores.records, Metrics: s.stores.metrics, Registerer: s.reg, Logger: s.log, Limits: s.limits.of, MaxAge: s.limits.maxAge,
	})
	if err != nil {
		return err
	}
	s.onStop("the collector", s.stores.collector.Close)
	return nil
}

// selectors tell the store what the queries of deletions select. These engines
// read nothing.
func (s *Server) selectors() storage.Selectors {
	return storage.Selectors{
		Logs:  logql.New(s.cfg.Query.LogQL, nil, nil, nil).Select,
		Spans: traceql.New(s.cfg.Query.TraceQL, nil, nil, nil).Select,
	}
}

// openRecords opens the backend that is configured.
func (s *Server) openRecords(ctx context.Context) error {
	if s.cfg.Storage.Backend == config.BackendElasticsearch {
		store, err := elastic.Open(ctx, s.cfg.Storage.ElasticRecords(), elastic.Deps{
			FS: vfs.Default, Now: time.Now, Logger: s.log, Registerer: s.reg, Selectors: s.selectors(), Missing: s.missing(),
		})
		if err != nil {
			return err
		}
		s.stores.records, s.stores.elastic, s.stores.deleter = store, store, store
		return nil
	}
	store, err := local.Open(s.cfg.Storage.Records(), local.Deps{
		FS: vfs.Default, Now: time.Now, Logger: s.log, Registerer: s.reg, Selectors: s.selectors(), Retention: s.limits.retention,
		Calls: s.cfg.Query.ServiceMap.Rules(),
	})
	if err != nil {
		return err
	}
	s.stores.records, s.stores.deleter = store, store
	return nil
}

// openMetrics opens the backend that is configured.
func (s *Server) openMetrics() error {
	if s.cfg.Storage.Metrics.Backend == config.BackendRemote {
		store, err := remote.Open(s.cfg.Storage.RemoteSamples(), remote.Deps{FS: vfs.Default, Now: time.Now, Logger: s.log, Registerer: s.reg})
		if err != nil {
			return err
		}
		s.stores.metrics, s.stores.remote = store, store
		return nil
	}
	store, err := metrics.Open(s.cfg.Storage.Samples(), metrics.Deps{Logger: s.log, Registerer: s.reg})
	if err != nil {
		return err
	}
	s.stores.metrics = store
	return nil
}

// queries are the rooms that answer.
type queries struct {
	logql      *logql.Engine
	traceql    *traceql.Engine
	stories    *correlate.Engine
	maps       *servicemap.Engine
	native     native.Engines
	prometheus *promapi.API
	loki       *loki.API
}

func (s *Server) makeQueries(context.Context) error {
	q := s.cfg.Query
	records := s.stores.records
	s.query = &queries{
		logql:   logql.New(q.LogQL, records, s.log, s.reg),
		traceql: traceql.New(q.TraceQL, records, s.log, s.reg),
		maps:    servicemap.New(q.ServiceMap, records).WithMetrics(s.samples),
	}
	s.query.stories = correlate.New(q.Correlate, records, correlate.PrometheusExemplars(s.exemplars))
	s.query.native = native.Engines{
		Stories: s.query.stories, Maps: s.query.maps, Coverage: coverage.New(q.Coverage, records),
		Compare: compare.New(q.Compare, records, storage.Selectors{Logs: s.query.logql.Select, Spans: s.query.traceql.Select}),
	}
	s.query.loki = loki.New(q.Loki, s.query.logql, s.log, s.version)
	if s.cfg.Runs(config.TargetRuler) {
		s.query.loki.WithRules(func(tenant string) loki.Rules { return logRules{s.alerts.Load().LogQLRules(tenant)} })
	}
	s.onStop("live tails", func(context.Context) error { return s.query.loki.Close() })

	printed, err := config.Print(s.cfg)
	if err != nil {
		return fmt.Errorf("print the configuration: %w", err)
	}
	s.query.prometheus, err = promapi.New(q.PromQL, promapi.Deps{
		Metrics: s.stores.metrics, Logger: s.log, Registerer: s.reg, Gatherer: s.reg,
		Extra:         func(tenant string) promstorage.Queryable { return s.query.maps.MetricsQueryable(tenant, time.Now) },
		Rules:         func(tenant string) v1.RulesRetriever { return s.alerts.Load().Rules(tenant) },
		Alertmanagers: func(string) v1.AlertmanagerRetriever { return s.alertmanagers() },
		Reporters:     s.reporters,
		ConfigYAML:    func() string { return printed },
		Retention:     s.cfg.Storage.Retention.Metrics.String(),
		Build:         promapi.BuildInfo{Version: s.version},
	})
	if err != nil {
		return err
	}
	s.onStop("PromQL", func(context.Context) error { return s.query.prometheus.Close() })
	return nil
}

func (s *Server) exemplars(tenant string) (promstorage.ExemplarQueryable, error) {
	return s.stores.metrics.Tenant(tenant)
}

func (s *Server) samples(tenant string) (promstorage.Queryable, error) {
	return s.stores.metrics.Tenant(tenant)
}

// dependencies fits the map to Jaeger's and Zipkin's question.
type dependencies struct{ maps *servicemap.Engine }

// Dependencies implements traceql.Dependencies.
func (d dependencies) Dependencies(ctx context.Context, tenant string, from, to int64) ([]traceql.Dependency, error) {
	found, err := d.maps.Dependencies(ctx, tenant, from, to)
	if err != nil {
		return nil, err
	}
	out := make([]traceql.Dependency, len(found))
	for i, f := range found {
		out[i] = traceql.Dependency{Parent: f.Parent, Child: f.Child, Calls: int64(f.CallCount)}
	}
	return out, nil
}

// routes puts the paths of the process's rooms on one mux, and Tempo's and
// Jaeger's services on a gRPC server for the same port.
func (s *Server) routes() (*http.ServeMux, *grpc.Server, error) {
	mux, g := http.NewServeMux(), grpc.NewServer(grpcAuth(s.auth)...)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /api/v1/health", s.watch.health.serve)
	mux.HandleFunc("POST /-/reload", s.reloads.serve)
	mux.HandleFunc("GET /api/v1/circuit-breakers", s.listBreakers)
	mux.HandleFunc("PUT /api/v1/circuit-breakers/{name}", s.breakers)
	mux.HandleFunc("GET /api/v1/status", s.watch.intake.serve)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.reg, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	if s.cfg.Runs(config.TargetCollector) {
		s.stores.collector.Register(mux)
	}
	if s.cfg.Target == config.TargetCollector {
		mux.HandleFunc("/", s.elsewhere)
		return mux, g, nil
	}
	// A ruler answers what its rules ask, too: alerts link to it.
	s.query.loki.Register(mux)
	s.registerPrometheus(mux)
	if !s.cfg.Runs(config.TargetQuery) {
		mux.HandleFunc("/", s.elsewhere)
		return mux, g, nil
	}
	s.answers(mux, g)
	mux.HandleFunc("/", notFound)
	return mux, g, web.Register(mux)
}

// answers puts the query APIs that rules do not need on a mux and on gRPC.
func (s *Server) answers(mux *http.ServeMux, g *grpc.Server) {
	q, deps := s.cfg.Query, dependencies{s.query.maps}
	native.New(s.query.native, s.log, time.Now).Register(mux)
	deletion.New(s.stores.deleter, s.log, time.Now).Register(mux)
	export.NewAPI(export.New(s.query.logql, s.query.traceql, s.stores.records), s.log, time.Now).Register(mux)
	j := jaeger.New(jaeger.Deps{Config: q.Jaeger, Engine: s.query.traceql, Dependencies: deps, Log: s.log})
	j.Register(mux)
	j.RegisterGRPC(g)
	zipkin.New(zipkin.Deps{Engine: s.query.traceql, Dependencies: deps, Log: s.log}).Register(mux)
	t := tempo.New(tempo.Deps{Config: q.Tempo, Engine: s.query.traceql, Version: s.version, Log: s.log})
	t.Register(mux)
	t.RegisterGRPC(g)
}

// ready tells load balancers whether to send requests here. That a store
// refuses writes, as on a full disk, is said and is no reason not to: queries
// go on, and senders are told to come again.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	out := struct {
		Status  string   `json:"status"`
		Reasons []string `json:"reasons,omitempty"`
	}{Status: "ready"}
	if h := s.stores.records.Health(); !h.Writable {
		out.Status, out.Reasons = "read-only", append(out.Reasons, "logs and spans are not taken: "+h.Err)
	}
	if h := s.stores.metrics.Health(); !h.Writable {
		out.Status, out.Reasons = "read-only", append(out.Reasons, "metrics are not taken: "+h.Err)
	}
	writeJSON(w, http.StatusOK, out)
}

// CheckData verifies a data directory, and the object storage that it has parts
// in, writes what it finds to out and reports whether all of it is good.
func CheckData(ctx context.Context, dir string, objects object.Config, fs vfs.FS, out io.Writer) (bool, error) {
	if _, err := fs.Stat(config.RecordsDir(dir)); err == nil {
		dir = config.RecordsDir(dir)
	}
	r, err := local.CheckAll(ctx, dir, fs, objects)
	if err != nil {
		return false, err
	}
	for _, n := range r.Notes {
		fmt.Fprintln(out, "note:", n)
	}
	for _, p := range r.Problems {
		fmt.Fprintln(out, "damaged:", p)
	}
	if r.UnseenObjects > 0 {
		fmt.Fprintf(out, "note: %d segments are in object storage and were not looked at; --config FILE says where that is\n", r.UnseenObjects)
	}
	if r.Objects > 0 {
		fmt.Fprintf(out, "%d of the segments are in object storage\n", r.Objects)
	}
	fmt.Fprintf(out, "%d segments with %d records in %d bytes, %d WAL files with %d requests not in segments yet: %d problems\n",
		r.Segments, r.Records, r.Bytes, r.WALFiles, r.WALRecords, len(r.Problems))
	return r.OK(), nil
}
