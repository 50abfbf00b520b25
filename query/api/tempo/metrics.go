package tempo

import (
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
)

type (
	queryRangeResponse struct {
		Series  []timeSeries  `json:"series"`
		Metrics searchMetrics `json:"metrics"`
		Status  string        `json:"status,omitempty"`
		Message string        `json:"message,omitempty"`
	}
	timeSeries struct {
		Labels     []keyValue `json:"labels"`
		Samples    []sample   `json:"samples"`
		PromLabels string     `json:"promLabels,omitempty"`
		Exemplars  []exemplar `json:"exemplars,omitempty"`
	}
	sample struct {
		TimestampMs int64  `json:"timestampMs,string"`
		Value       number `json:"value"`
	}
	exemplar struct {
		Labels      []keyValue `json:"labels"`
		Value       number     `json:"value"`
		TimestampMs int64      `json:"timestampMs,string"`
	}
	queryInstantResponse struct {
		Series  []instantSeries `json:"series"`
		Metrics searchMetrics   `json:"metrics"`
		Status  string          `json:"status,omitempty"`
		Message string          `json:"message,omitempty"`
	}
	instantSeries struct {
		Labels     []keyValue `json:"labels"`
		Value      number     `json:"value"`
		PromLabels string     `json:"promLabels,omitempty"`
	}
)

func (a *API) queryRange(w http.ResponseWriter, r *http.Request) error {
	req, err := a.metricsRequest(r)
	if err != nil {
		return err
	}
	step, err := parseStep(r.URL.Query().Get("step"))
	if err != nil {
		return err
	}
	if req.Step = step; step == 0 {
		req.Step = traceql.DefaultStep(req.From, req.To)
	}
	res, err := a.Engine.QueryRange(r.Context(), *req)
	if err != nil {
		return err
	}
	if wantsExplain(r) {
		return writeJSON(w, explained{res.Explain, nonNil(res.Warnings), len(res.Series)})
	}
	return writeJSON(w, newQueryRangeResponse(res))
}

func (a *API) queryInstant(w http.ResponseWriter, r *http.Request) error {
	req, err := a.metricsRequest(r)
	if err != nil {
		return err
	}
	req.Instant = true
	res, err := a.Engine.QueryRange(r.Context(), *req)
	if err != nil {
		return err
	}
	if wantsExplain(r) {
		return writeJSON(w, explained{res.Explain, nonNil(res.Warnings), len(res.Series)})
	}
	return writeJSON(w, newQueryInstantResponse(res))
}

// metricsRequest reads what range and instant queries have in common.
func (a *API) metricsRequest(r *http.Request) (*traceql.MetricsRequest, error) {
	q := r.URL.Query()
	parsed, err := queryParam(q, "q", "query")
	if err != nil {
		return nil, err
	}
	if parsed.Metrics == nil {
		return nil, status.BadRequest("invalid TraceQL query: %w", traceql.ErrNoMetrics)
	}
	req := &traceql.MetricsRequest{Tenant: tenant.From(r.Context()), Query: parsed, Now: a.Now().UnixNano(), Exemplars: a.Deps.Config.Exemplars}
	if req.From, req.To, err = a.metricsRange(q); err != nil {
		return nil, err
	}
	if n, _, err := uintParam(q, "exemplars"); err != nil {
		return nil, err
	} else if n > 0 {
		req.Exemplars = int(n)
	}
	return req, nil
}

// partialStatus renders an answer's warnings in the place Tempo has for them.
func partialStatus(warnings []string) (status, message string) {
	if len(warnings) == 0 {
		return "", ""
	}
	return "PARTIAL", strings.Join(warnings, "; ")
}

func newQueryRangeResponse(res *traceql.MetricsResult) *queryRangeResponse {
	out := &queryRangeResponse{Series: make([]timeSeries, 0, len(res.Series)), Metrics: newSearchMetrics(&res.Stats)}
	out.Status, out.Message = partialStatus(res.Warnings)
	for i := range res.Series {
		s := &res.Series[i]
		t := timeSeries{Labels: keyValues(s.Labels), Samples: []sample{}, PromLabels: s.PromLabels()}
		for k, v := range s.Values {
			if res.Shows(k, v) {
				t.Samples = append(t.Samples, sample{res.Time(k) / int64(time.Millisecond), number(v)})
			}
		}
		for _, e := range s.Exemplars {
			if !math.IsNaN(e.Value) {
				t.Exemplars = append(t.Exemplars, exemplar{keyValues(e.Labels), number(e.Value), e.Time / int64(time.Millisecond)})
			}
		}
		out.Series = append(out.Series, t)
	}
	return out
}

func newQueryInstantResponse(res *traceql.MetricsResult) *queryInstantResponse {
	out := &queryInstantResponse{Series: []instantSeries{}, Metrics: newSearchMetrics(&res.Stats)}
	out.Status, out.Message = partialStatus(res.Warnings)
	for i := range res.Series {
		s := &res.Series[i]
		if len(s.Values) > 0 && !math.IsNaN(s.Values[0]) {
			out.Series = append(out.Series, instantSeries{keyValues(s.Labels), number(s.Values[0]), s.PromLabels()})
		}
	}
	return out
}
