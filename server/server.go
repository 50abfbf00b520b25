package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/grpc"

	"github.com/clewhq/clew/alert"
	"github.com/clewhq/clew/server/auth"
	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/server/members"
)

// Server is the whole process: everything that was started, in order, so that
// it can be stopped in reverse.
type Server struct {
	cfg     config.Config
	version string
	log     *slog.Logger
	level   *slog.LevelVar
	reg     *prometheus.Registry
	auth    *auth.Authenticator

	stores  *stores
	limits  *limits
	reloads *reloader
	members *members.Members                // nil where work is shared with nobody
	seen    atomic.Pointer[members.Members] // the same, for who may ask before it is there
	rulers  *rulers                         // how those are asked; nil as members
	alerts  atomic.Pointer[alert.Manager]   // nil until rules are evaluated, and where they are not
	query   *queries
	watch   *watch
	self    *selfTelemetry

	handler atomic.Pointer[http.Handler] // of the main listener
	inner   http.Handler                 // its routes, behind the middleware
	serving sync.WaitGroup
	failed  chan error

	// stops are undone from the last to the first.
	stops []stop
}

type stop struct {
	name string
	do   func(context.Context) error
}

// Run starts the server, serves until ctx ends, and stops it again. Problems
// of the start and of the stop are returned; the log goes to stderr.
func Run(ctx context.Context, cfg config.Config, version string, stderr io.Writer) error {
	tuneMemory(cfg.Server, cfg.Storage.Backend)
	s, err := newServer(cfg, version, stderr)
	if err != nil {
		return err
	}
	err = s.start(ctx)
	if err == nil {
		s.log.Info("clew is ready", "version", version, "http", cfg.Server.HTTPListen,
			"otlp_grpc", cfg.Server.OTLPGRPCListen, "otlp_http", cfg.Server.OTLPHTTPListen, "data", cfg.Storage.Local.Dir)
		select {
		case <-ctx.Done():
			s.log.Info("stopping")
		case err = <-s.failed:
		}
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(cfg.Server.ShutdownTimeout))
	defer cancel()
	return errors.Join(err, s.stopAll(grace))
}

func newServer(cfg config.Config, version string, stderr io.Writer) (*Server, error) {
	a, err := auth.New(cfg.Auth)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, version: version, auth: a, reg: prometheus.NewRegistry(), failed: make(chan error, 3)}
	s.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "clew_build_info", Help: "Always 1; the version is a label.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	s.reg.MustRegister(build)
	return s, s.openLog(stderr)
}

func (s *Server) openLog(stderr io.Writer) error {
	s.level = &slog.LevelVar{}
	if err := s.level.UnmarshalText([]byte(s.cfg.Telemetry.LogLevel)); err != nil {
		return fmt.Errorf("telemetry.log_level: %w", err)
	}
	opts := &slog.HandlerOptions{Level: s.level}
	var h slog.Handler = slog.NewTextHandler(stderr, opts)
	if s.cfg.Telemetry.LogFormat == "json" {
		h = slog.NewJSONHandler(stderr, opts)
	}
	if s.cfg.Telemetry.SendToSelf && s.cfg.Server.OTLPHTTPListen != "" && s.cfg.Runs(config.TargetCollector) {
		headers := map[string]string{}
		if v := s.cfg.Telemetry.Authorization; v != "" {
			headers["Authorization"] = v
		}
		var err error
		if s.self, err = newSelfTelemetry(context.Background(), s.cfg.Server.OTLPHTTPListen, s.version, headers); err != nil {
			return err
		}
		h = s.self.handler(h)
	}
	s.log = slog.New(h)
	return nil
}

// start brings everything up, downstream first: what takes data is opened
// after what keeps it. The main listener answers from the first moment, so
// that a long replay can be told from a dead process.
func (s *Server) start(ctx context.Context) error {
	if err := s.openMainListener(); err != nil {
		return err
	}
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"open the stores", s.openStores},
		{"make the queries", s.makeQueries},
		{"find the other processes", s.joinCluster},
		{"start alerting", s.startAlerting},
		{"watch itself", s.watchItself},
		{"open the doors", s.openDoors},
		{"warm up", s.warmUp},
	}
	for _, step := range steps {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (s *Server) openMainListener() error {
	l, err := listen("http_listen", s.cfg.Server.HTTPListen)
	if err != nil {
		return err
	}
	starting := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			writeJSON(w, http.StatusOK, map[string]string{"status": "starting"})
			return
		}
		w.Header().Set("Retry-After", "1")
		writeError(w, http.StatusServiceUnavailable, "clew is starting: it replays what was acknowledged before the last stop")
	}))
	s.handler.Store(&starting)
	s.serve(s.httpListener("main", l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*s.handler.Load()).ServeHTTP(w, r)
	})))
	return nil
}

func (s *Server) httpListener(name string, l net.Listener, h http.Handler) *listener {
	return httpListener(name, l, h, time.Duration(s.cfg.Server.ReadHeaderTimeout), time.Duration(s.cfg.Server.IdleTimeout))
}

// serve runs l until it is stopped; its failure ends the process.
func (s *Server) serve(l *listener) {
	s.serving.Add(1)
	go func() {
		defer s.serving.Done()
		if err := l.serve(l.net); err != nil {
			s.failed <- fmt.Errorf("serve %s on %s: %w", l.name, l.net.Addr(), err)
		}
	}()
	s.onStop("listener "+l.name, l.stop)
}

// onStop has do called when the server stops, before everything that was
// started earlier is stopped.
func (s *Server) onStop(name string, do func(context.Context) error) {
	s.stops = append(s.stops, stop{name, do})
}

func (s *Server) stopAll(ctx context.Context) error {
	var errs []error
	for i := len(s.stops) - 1; i >= 0; i-- {
		if err := s.stops[i].do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.stops[i].name, err))
		}
	}
	s.serving.Wait()
	return errors.Join(errs...)
}

// openDoors opens the ways in and puts the routes behind the main listener.
func (s *Server) openDoors(context.Context) error {
	mid := newMiddleware(s.auth, s.log, s.reg)
	mux, g, err := s.routes()
	if err != nil {
		return err
	}
	s.inner = mux
	main := s.observed(mid.wrap(mux))
	main = orGRPC(g, main)
	s.handler.Store(&main)

	if !s.cfg.Runs(config.TargetCollector) {
		return nil
	}
	if addr := s.cfg.Server.OTLPHTTPListen; addr != "" {
		l, err := listen("otlp_http_listen", addr)
		if err != nil {
			return err
		}
		otlp := http.NewServeMux()
		s.stores.collector.RegisterOTLP(otlp)
		otlp.HandleFunc("/", notFoundOTLP)
		s.serve(s.httpListener("OTLP over HTTP", l, s.observed(mid.wrap(otlp))))
		if s.self != nil { // sends what is left while this listener still serves
			s.onStop("clew's own telemetry", s.self.stop)
		}
	}
	if addr := s.cfg.Server.OTLPGRPCListen; addr != "" {
		l, err := listen("otlp_grpc_listen", addr)
		if err != nil {
			return err
		}
		g := grpc.NewServer(append(s.stores.collector.ServerOptions(), grpcAuth(s.auth)...)...)
		s.stores.collector.RegisterGRPC(g)
		s.serve(grpcListener("OTLP over gRPC", l, g))
	}
	return nil
}

// observed traces requests where clew sends its own telemetry to itself.
func (s *Server) observed(h http.Handler) http.Handler {
	if s.self == nil {
		return h
	}
	return s.self.wrap(h, s.log)
}

// startAlerting evaluates rules from now on.
func (s *Server) startAlerting(context.Context) error {
	if !s.cfg.Runs(config.TargetRuler) {
		return nil
	}
	m, err := alert.New(s.cfg.Alert, alert.Deps{
		Logger: s.log, Registerer: s.reg, Metrics: s.stores.metrics, PromQL: s.promQL(), LogQL: s.logQL(), Owns: s.owns(),
	})
	if err != nil {
		return err
	}
	m.Start()
	s.alerts.Store(m)
	if s.members != nil {
		m.Share() // somebody may have come meanwhile
	}
	s.onStop("alerting", func(context.Context) error { return m.Close() })
	return nil
}
