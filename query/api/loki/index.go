package loki

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

func cutWarning(most int) string {
	return fmt.Sprintf("the answer is cut: it holds the first %d entries (max_values)", most)
}

// measured is streams with the records and bytes of each. Where the store's
// figures are of more than the range the records are counted, and their bytes
// taken to be as many a record as in those figures.
func (a *API) measured(r *http.Request, start, end int64, m []*syntax.Matcher) ([]*lokiStream, []string, error) {
	var stats storage.ReadStats
	streams, err := a.streamsIn(r, start, end, &stats, m)
	if err != nil {
		return nil, nil, err
	}
	q := storage.LogQuery{Tenant: tenant.From(r.Context()), From: max(start, 0), To: max(end, 1), Stats: &stats}
	counts, err := a.countEdges(r.Context(), q, streams)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range streams {
		for _, info := range s.infos {
			if n, counted := counts[info.Stream.ID]; counted {
				info.Bytes = int64(float64(info.Bytes) / float64(info.Records) * float64(n))
				info.Records = n
			}
			s.records += info.Records
			s.bytes += info.Bytes
		}
	}
	return streams, stats.Warnings, nil
}

// countEdges counts the records within the range of q of the streams whose
// figures are of more than it. It returns nil where the store cannot count.
func (a *API) countEdges(ctx context.Context, q storage.LogQuery, streams []*lokiStream) (map[telemetry.StreamID]int64, error) {
	store, ok := a.reader.(storage.LogCounter)
	if !ok {
		return nil, nil
	}
	counts := map[telemetry.StreamID]int64{}
	for _, s := range streams {
		for _, info := range s.infos {
			if info.First < q.From || info.Last >= q.To {
				counts[info.Stream.ID] = 0
			}
		}
	}
	if len(counts) == 0 {
		return nil, nil
	}
	wanted := maps.Clone(counts) // asked while counts change
	q.Stream = func(s *telemetry.Stream) bool {
		_, ok := wanted[s.ID]
		return ok
	}
	err := store.CountLogs(ctx, q, 0, func(s *telemetry.Stream, _ int, n int64) { counts[s.ID] += n })
	return counts, err
}

// indexStats says how much a selector would read.
func (a *API) indexStats(w http.ResponseWriter, r *http.Request) {
	if _, err := requiredQuery(r); err != nil {
		a.fail(w, r, err)
		return
	}
	start, end, m, err := a.asked(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	streams, warnings, err := a.measured(r, start, end, m)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	var chunks, bytes, entries int64
	for _, s := range streams {
		chunks += int64(len(s.infos))
		bytes += s.bytes
		entries += s.records
	}
	warn(w, warnings)
	writeJSON(w, map[string]int64{"streams": int64(len(streams)), "chunks": chunks, "bytes": bytes, "entries": entries})
}

// volumeRequest is what both volume calls are asked with.
type volumeRequest struct {
	start, end int64
	matchers   []*syntax.Matcher
	targets    []string
	byLabel    bool
	limit      int
}

func (a *API) volumeParams(r *http.Request) (v volumeRequest, err error) {
	if _, err = requiredQuery(r); err != nil {
		return v, err
	}
	if v.start, v.end, err = a.rangeParams(r, a.cfg.DefaultRange); err != nil {
		return v, err
	}
	if v.matchers, err = a.selector(r, "query"); err != nil {
		return v, err
	}
	if v.limit, err = countParam(r, "limit", a.cfg.DefaultLimit); err != nil {
		return v, err
	}
	switch by := r.Form.Get("aggregateBy"); by {
	case "", "series":
	case "labels":
		v.byLabel = true
	default:
		return v, &paramError{"aggregateBy", by, "series or labels"}
	}
	for _, name := range strings.Split(r.Form.Get("targetLabels"), ",") {
		if name = strings.TrimSpace(name); name != "" {
			v.targets = append(v.targets, name)
		}
	}
	if len(v.targets) == 0 {
		for _, m := range v.matchers {
			if !slices.Contains(v.targets, m.Name) {
				v.targets = append(v.targets, m.Name)
			}
		}
	}
	return v, nil
}

// groups returns the label sets under which a stream's volume counts.
func (v volumeRequest) groups(s *entry.Stream) [][]entry.Label {
	var all []entry.Label
	for _, l := range s.Labels {
		if slices.Contains(v.targets, l.Name) || len(v.targets) == 0 {
			all = append(all, l)
		}
	}
	if !v.byLabel {
		if len(all) == 0 {
			return nil
		}
		return [][]entry.Label{all}
	}
	var out [][]entry.Label
	for _, l := range all {
		out = append(out, []entry.Label{{Name: l.Name}})
	}
	return out
}

// volume sums up bytes by labels, the largest first. Like index/stats it
// reads no lines.
func (a *API) volume(w http.ResponseWriter, r *http.Request) {
	v, err := a.volumeParams(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	streams, warnings, err := a.measured(r, v.start, v.end, v.matchers)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	type volume struct {
		labels []entry.Label
		bytes  int64
	}
	index := map[string]*volume{}
	var all []*volume
	for _, s := range streams {
		for _, labels := range v.groups(s.view) {
			key := fmt.Sprintf("%q", labels)
			g, ok := index[key]
			if !ok {
				g = &volume{labels: labels}
				index[key] = g
				all = append(all, g)
			}
			g.bytes += s.bytes
		}
	}
	slices.SortStableFunc(all, func(x, y *volume) int { return cmp.Compare(y.bytes, x.bytes) })
	result := []any{}
	for _, g := range all[:min(v.limit, len(all))] {
		result = append(result, map[string]any{
			"metric": labelMap(g.labels),
			"value":  []any{float64(v.end/int64(time.Millisecond)) / 1000, strconv.FormatInt(g.bytes, 10)},
		})
	}
	writeJSON(w, succeeded(map[string]any{"resultType": "vector", "result": result, "stats": statsOf(logql.Stats{})}, warnings))
}

// volumeRange sums up the bytes of lines by labels for every step; it reads
// the lines.
func (a *API) volumeRange(w http.ResponseWriter, r *http.Request) {
	v, err := a.volumeParams(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	step, err := stepParam(r, v.start, v.end)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	groupings := [][]string{v.targets}
	if v.byLabel {
		groupings = nil
		for _, name := range v.targets {
			groupings = append(groupings, []string{name})
		}
	}
	total := &logql.Result{Kind: logql.KindMatrix, Series: []logql.Series{}}
	for _, by := range groupings {
		expr := &syntax.VectorAgg{Op: syntax.OpSum, Grouping: &syntax.Grouping{Labels: by}, Inner: &syntax.RangeAgg{
			Op: syntax.OpBytes, Log: &syntax.LogExpr{Matchers: v.matchers}, Interval: step}}
		p := logql.Params{Start: v.start, End: v.end, Step: step}
		res, err := a.engine.Eval(r.Context(), tenant.From(r.Context()), expr, p)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		if v.byLabel {
			for i := range res.Series {
				res.Series[i].Labels = []entry.Label{{Name: by[0]}}
			}
			res.Series = mergeSeries(res.Series)
		}
		total.Series = append(total.Series, res.Series...)
		total.Stats, total.Warnings = res.Stats, append(total.Warnings, res.Warnings...)
	}
	slices.SortStableFunc(total.Series, func(x, y logql.Series) int { return cmp.Compare(sum(y), sum(x)) })
	total.Series = total.Series[:min(v.limit, len(total.Series))]
	writeResult(w, total, false, nil)
}

func sum(s logql.Series) (total float64) {
	for _, p := range s.Points {
		total += p.Value
	}
	return total
}

// mergeSeries adds up series of equal labels, which all of them have.
func mergeSeries(series []logql.Series) []logql.Series {
	if len(series) < 2 {
		return series
	}
	at := map[int64]float64{}
	for _, s := range series {
		for _, p := range s.Points {
			at[p.Time] += p.Value
		}
	}
	out := logql.Series{Labels: series[0].Labels}
	for t, v := range at {
		out.Points = append(out.Points, logql.Point{Time: t, Value: v})
	}
	slices.SortFunc(out.Points, func(x, y logql.Point) int { return cmp.Compare(x.Time, y.Time) })
	return []logql.Series{out}
}
