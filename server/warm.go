package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// warmUp has the server ask itself, in the background, what users ask first
// after a start: where the first of them came before, he waited for the
// program's own pages, for the indexes of segments, for tables that are made
// once.
func (s *Server) warmUp(context.Context) error {
	// Another process's store is warm whenever this one starts.
	if s.cfg.Server.WarmUp == 0 || !s.cfg.Runs(config.TargetQuery) || s.cfg.Storage.Backend != config.BackendLocal {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.cfg.Server.WarmUp))
	done := make(chan struct{})
	go func() {
		defer close(done)
		w := warmer{s.stores.records, s.inner, s.log}
		w.run(ctx)
		if ctx.Err() == nil {
			// What it took is not to count as memory of an idle server.
			debug.FreeOSMemory()
		}
	}()
	s.onStop("warm-up", func(context.Context) error {
		cancel()
		<-done
		return nil
	})
	return nil
}

// warmer asks for the newest records that there are, in the ways that users do.
type warmer struct {
	records storage.Store
	ask     http.Handler // behind the authentication
	log     *slog.Logger
}

// run asks until it has asked for all tenants or ctx ends. Whatever fails fails
// again, and is told, when a user asks.
func (w *warmer) run(ctx context.Context) {
	tenants, err := w.records.Tenants(ctx)
	if err != nil {
		return
	}
	for _, name := range tenants {
		w.tenant(tenant.With(ctx, name), name)
	}
}

// tenant looks the first traces up that stand in the newest log records and in
// spans.
func (w *warmer) tenant(ctx context.Context, name string) {
	for batch, err := range w.records.Logs(ctx, storage.LogQuery{Tenant: name, Order: storage.NewestFirst}) {
		if err != nil {
			break
		}
		if i := slices.IndexFunc(batch, func(l telemetry.Log) bool { return l.TraceID != telemetry.TraceID{} }); i >= 0 {
			w.look(ctx, batch[i].TraceID, batch[i].Time)
		}
		break
	}
	for batch, err := range w.records.Spans(ctx, storage.SpanQuery{Tenant: name}) {
		if err == nil && len(batch) > 0 {
			w.look(ctx, batch[0].TraceID, batch[0].Start)
		}
		break
	}
}

// warmRange is how far back from the newest records it looks: what was opened
// once stays in memory, and of a store that holds months of them it should not
// be all.
const warmRange = 24 * time.Hour

// look looks a trace up in the ways that there are.
func (w *warmer) look(ctx context.Context, id telemetry.TraceID, at int64) {
	hex, newest := id.String(), time.Unix(0, at).UTC()
	from, to := newest.Add(-warmRange).Format(time.RFC3339), newest.Add(time.Minute).Format(time.RFC3339)
	lines := func(query string) string {
		return "/loki/api/v1/query_range?" + url.Values{"query": {query}, "start": {from}, "end": {to}}.Encode()
	}
	for _, target := range []string{
		lines(`{service_name=~".+"} |= "` + hex + `"`),
		lines(`{service_name=~".+"} | trace_id="` + hex + `"`),
		"/jaeger/api/traces/" + hex,
		"/api/v1/correlate/" + hex + "?" + url.Values{"from": {from}, "to": {to}}.Encode(),
	} {
		if ctx.Err() != nil {
			return
		}
		if r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil); err == nil {
			w.put(r)
		}
	}
}

// put puts one question. A bug that it meets must end that question alone, as
// it does a user's.
func (w *warmer) put(r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("a question of the warm-up failed by a bug", "path", r.URL.Path, "panic", p)
		}
	}()
	w.ask.ServeHTTP(unread{http.Header{}}, r)
}

// unread takes an answer that nobody reads.
type unread struct{ header http.Header }

// Header implements http.ResponseWriter.
func (u unread) Header() http.Header { return u.header }

// Write implements http.ResponseWriter.
func (u unread) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (u unread) WriteHeader(int) {}
