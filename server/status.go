package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Status is the answer of `GET /api/v1/status`: what is coming in, and an ID
// that is worth pulling.
type Status struct {
	// Total counts records taken in since the start; PerSecond is the rate
	// over about the last ten seconds. Keys are logs, metrics and traces.
	Total     map[string]float64 `json:"total"`
	PerSecond map[string]float64 `json:"per_second"`
	// SampleID is a correlation ID of the last minutes that leads to several
	// records, nil where there is none.
	SampleID *SampleID `json:"sample_id"`
}

// SampleID is one ID that stands in what is stored.
type SampleID struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Service string `json:"service"`
	Records int    `json:"records"`
}

// The collector's counters of what came in, and of what of that was refused.
const (
	receivedMetric = "clew_collector_received_records_total"
	rejectedMetric = "clew_collector_rejected_records_total"
)

// rateWindow is the number of samples the rate is taken over.
const rateWindow = 3

// intake follows the collector's counters. Safe for concurrent use.
type intake struct {
	gather prometheus.Gatherer
	reader storage.Reader

	mu      sync.Mutex
	samples []sample // oldest first, rateWindow at most
}

type sample struct {
	at    time.Time
	total map[string]float64
}

// run samples the counters until ctx ends.
func (s *intake) run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		s.sample()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *intake) sample() {
	now := sample{time.Now(), s.totals()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples = append(s.samples, now)
	if len(s.samples) > rateWindow {
		s.samples = s.samples[1:]
	}
}

func (s *intake) totals() map[string]float64 {
	out := map[string]float64{string(telemetry.Logs): 0, string(telemetry.Metrics): 0, string(telemetry.Traces): 0}
	families, err := s.gather.Gather()
	if err != nil {
		return out
	}
	for _, f := range families {
		sign := 1.0
		switch f.GetName() {
		case receivedMetric:
		case rejectedMetric:
			sign = -1
		default:
			continue
		}
		for _, m := range f.Metric {
			out[label(m, "signal")] += sign * m.GetCounter().GetValue()
		}
	}
	return out
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.Label {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

func (s *intake) serve(w http.ResponseWriter, r *http.Request) {
	out := Status{Total: s.totals(), PerSecond: map[string]float64{}}
	s.mu.Lock()
	if len(s.samples) > 0 {
		then := s.samples[0]
		if seconds := time.Since(then.at).Seconds(); seconds > 0 {
			for signal, n := range out.Total {
				out.PerSecond[signal] = (n - then.total[signal]) / seconds
			}
		}
	}
	s.mu.Unlock()
	id, err := s.sampleID(r.Context(), tenant.From(r.Context()))
	if err != nil {
		code := http.StatusInternalServerError
		if storage.IsPassing(err) {
			code = http.StatusServiceUnavailable
		}
		writeError(w, code, "look for a sample ID: "+err.Error())
		return
	}
	out.SampleID = id
	writeJSON(w, http.StatusOK, out)
}

// sampleWindow and sampleRows bound the look for an ID.
const (
	sampleWindow = 10 * time.Minute
	sampleRows   = 5000
)

// sampleID prefers the trace that most records of the last minutes belong to,
// then any other ID that joins, then any at all.
func (s *intake) sampleID(ctx context.Context, tenantName string) (*SampleID, error) {
	from := time.Now().Add(-sampleWindow).UnixNano()
	found := map[string]*SampleID{}
	count := func(ids []correlation.ID, service string) {
		for _, id := range ids {
			if id.Kind == correlation.SpanID || id.Kind == correlation.Change {
				continue
			}
			if found[id.Value] == nil {
				found[id.Value] = &SampleID{ID: id.Value, Kind: string(id.Kind), Service: service}
			}
			found[id.Value].Records++
		}
	}
	rows := 0
	for batch, err := range s.reader.Spans(ctx, storage.SpanQuery{Tenant: tenantName, From: from}) {
		if err != nil {
			return nil, err
		}
		for i := range batch {
			count(correlation.AppendSpan(nil, &batch[i]), batch[i].Stream.Service)
		}
		if rows += len(batch); rows > sampleRows {
			break
		}
	}
	for batch, err := range s.reader.Logs(ctx, storage.LogQuery{Tenant: tenantName, From: from, Order: storage.NewestFirst}) {
		if err != nil {
			return nil, err
		}
		for i := range batch {
			count(correlation.AppendLog(nil, &batch[i]), batch[i].Stream.Service)
		}
		if rows += len(batch); rows > 2*sampleRows {
			break
		}
	}
	return best(found), nil
}

func best(found map[string]*SampleID) *SampleID {
	rank := func(s *SampleID) int {
		switch kind := correlation.Kind(s.Kind); {
		case kind == correlation.TraceID:
			return 2
		case kind.Joins():
			return 1
		}
		return 0
	}
	var out *SampleID
	for _, s := range found {
		if out == nil || rank(s) > rank(out) || rank(s) == rank(out) && (s.Records > out.Records || s.Records == out.Records && s.ID < out.ID) {
			out = s
		}
	}
	return out
}
