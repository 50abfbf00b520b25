package main

import (
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
)

// fakePrometheus is Prometheus itself: its OTLP handler, store and engine. So
// the names and the arithmetic that the verifier expects are Prometheus's.
type fakePrometheus struct {
	t      *testing.T
	db     *tsdb.DB
	engine *promql.Engine
	otlp   http.Handler
}

func newFakePrometheus(t *testing.T) *fakePrometheus {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	opts := tsdb.DefaultOptions()
	opts.OutOfOrderTimeWindow = time.Hour.Milliseconds()
	opts.EnableExemplarStorage, opts.MaxExemplars = true, 1<<20
	db, err := tsdb.Open(t.TempDir(), log, nil, opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg := func() config.Config { return config.DefaultConfig }
	return &fakePrometheus{
		t: t, db: db,
		engine: promql.NewEngine(promql.EngineOpts{Logger: log, MaxSamples: math.MaxInt32, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})}),
		otlp:   remote.NewOTLPWriteHandler(log, nil, db, cfg, remote.OTLPOptions{LookbackDelta: 5 * time.Minute}),
	}
}

func (p *fakePrometheus) query(w http.ResponseWriter, r *http.Request) {
	at, err := strconv.ParseFloat(r.FormValue("time"), 64)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q, err := p.engine.NewInstantQuery(r.Context(), p.db, nil, r.FormValue("query"), time.UnixMilli(int64(at*1000)))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	defer q.Close()
	vector, err := q.Exec(r.Context()).Vector()
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	result := []map[string]any{}
	for _, s := range vector {
		result = append(result, map[string]any{"metric": s.Metric.Map(), "value": []any{at, strconv.FormatFloat(s.F, 'f', -1, 64)}})
	}
	answer(w, vectorAnswer(result))
}

func (p *fakePrometheus) exemplars(w http.ResponseWriter, r *http.Request) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.FormValue("query"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	querier, err := p.db.ExemplarQuerier(r.Context())
	if err != nil {
		p.t.Error(err)
		return
	}
	found, err := querier.Select(0, timestamp.FromTime(time.Now().Add(time.Hour)), parser.ExtractSelectors(expr)...)
	if err != nil {
		p.t.Error(err)
		return
	}
	data := []map[string]any{}
	for _, f := range found {
		list := []map[string]any{}
		for _, e := range f.Exemplars {
			list = append(list, map[string]any{"labels": e.Labels.Map(), "value": strconv.FormatFloat(e.Value, 'f', -1, 64), "timestamp": float64(e.Ts) / 1000})
		}
		data = append(data, map[string]any{"seriesLabels": f.SeriesLabels.Map(), "exemplars": list})
	}
	answer(w, map[string]any{"status": "success", "data": data})
}
