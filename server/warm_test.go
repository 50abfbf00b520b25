package server

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// TestWarmUpAsksForTheNewest: for every tenant the ways to look up, for traces
// that are there, each in the tenant's name.
func TestWarmUpAsksForTheNewest(t *testing.T) {
	cfg := local.DefaultConfig()
	cfg.Dir, cfg.Retention = t.TempDir(), local.Retention{}
	store, err := local.Open(cfg, local.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	g := storagetest.NewGen(1)
	log := telemetry.Log{Stream: g.Streams[0], Time: 2e18, TraceID: g.TraceID(), Body: telemetry.String("the newest")}
	storagetest.WriteLogs(t, store, "logs", storagetest.LogBatch([]telemetry.Log{log, {Stream: g.Streams[0], Time: 2e18 + 1, Body: telemetry.String("of no trace")}}))
	span := telemetry.Span{Stream: g.Streams[0], TraceID: g.TraceID(), SpanID: g.SpanID(), Start: 2e18, End: 2e18 + 1, Name: "GET /"}
	storagetest.WriteSpans(t, store, "spans", storagetest.SpanBatch([]telemetry.Span{span}))

	asked := map[string][]string{}
	w := warmer{store, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := tenant.From(r.Context())
		asked[name] = append(asked[name], r.URL.String())
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte("an answer"))
	}), slog.New(slog.DiscardHandler)}
	w.run(context.Background())
	for name, id := range map[string]telemetry.TraceID{"logs": log.TraceID, "spans": span.TraceID} {
		if len(asked[name]) != 4 {
			t.Errorf("%s: asked for %v, want four ways to look up", name, asked[name])
		}
		for _, u := range asked[name] {
			if !strings.Contains(u, id.String()) {
				t.Errorf("%s: asked for %s, want %s in it", name, u, id)
			}
		}
	}

	ended, cancel := context.WithCancel(context.Background())
	cancel()
	clear(asked)
	if w.run(ended); len(asked) > 0 {
		t.Errorf("asked for %v when there is no time left", asked)
	}
}

// TestWarmUpOutlivesABug: what panics ends its question alone.
func TestWarmUpOutlivesABug(t *testing.T) {
	n := 0
	w := warmer{nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		n++
		panic("a bug")
	}), slog.New(slog.DiscardHandler)}
	w.look(context.Background(), telemetry.TraceID{1}, 2e18)
	if n != 4 {
		t.Errorf("asked %d times, want 4", n)
	}
}
