package verify

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/clewhq/clew/loadtest/workload"
)

// vector is an answer with one value per series.
type vector struct {
	Data struct {
		ResultType string `json:"resultType"`
		Result     []struct {
			Metric map[string]string `json:"metric"`
			Value  [2]any            `json:"value"`
		} `json:"result"`
	} `json:"data"`
}

// values asks for an instant vector and returns it by name.
func (v *Verifier) values(ctx context.Context, path string, params url.Values, name func(map[string]string) string) (map[string]float64, error) {
	var answer vector
	if err := v.api.getJSON(ctx, path, params, &answer); err != nil {
		return nil, err
	}
	if answer.Data.ResultType != "vector" {
		return nil, fmt.Errorf("the answer is a %q: want a vector", answer.Data.ResultType)
	}
	out := map[string]float64{}
	for _, r := range answer.Data.Result {
		text, _ := r.Value[1].(string)
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("read value of %v: %w", r.Metric, err)
		}
		key := name(r.Metric)
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("series %s is there twice", key)
		}
		out[key] = f
	}
	return out, nil
}

// scalar asks for a vector of one value; an empty one is 0.
func (v *Verifier) scalar(ctx context.Context, path string, params url.Values) (float64, error) {
	values, err := v.values(ctx, path, params, func(map[string]string) string { return "" })
	return values[""], err
}

// families are the names under which the metrics stand in PromQL, with how to
// read the expected value from a point.
var families = []struct {
	name, metric string
	value        func(*workload.Point) float64
}{
	{"shop_request_duration_seconds_count", "shop.request.duration", func(p *workload.Point) float64 { return float64(p.Count) }},
	{"shop_request_duration_seconds_sum", "shop.request.duration", func(p *workload.Point) float64 { return p.Sum }},
	{"shop_orders_placed_total", "shop.orders.placed", func(p *workload.Point) float64 { return p.Value }},
	{"process_memory_usage_bytes", "process.memory.usage", func(p *workload.Point) float64 { return p.Value }},
}

// metrics asks for every series' last value and how many samples it has.
func (v *Verifier) metrics(ctx context.Context, c *Check) {
	for service := range workload.Services {
		for _, f := range families {
			selector := fmt.Sprintf("%s{instance=%q}", f.name, v.w.InstanceID(service))
			last, samples := map[string]float64{}, map[string]float64{}
			for i := range v.truth.Series {
				if s := &v.truth.Series[i]; s.Service == service && s.Name == f.metric {
					last[seriesName(s)] = f.value(&s.Points[len(s.Points)-1])
					samples[seriesName(s)] = float64(len(s.Points))
				}
			}
			if len(last) == 0 {
				continue
			}
			v.compareVector(ctx, c, selector, last)
			// A window that begins before the first point counts them all.
			window := int(v.w.End().Sub(v.from).Seconds())
			v.compareVector(ctx, c, fmt.Sprintf("count_over_time(%s[%ds])", selector, window), samples)
		}
		v.buckets(ctx, c, service)
	}
}

// buckets compares the histograms' buckets at the end, added up per service.
func (v *Verifier) buckets(ctx context.Context, c *Check, service int) {
	want := map[string]float64{}
	for i := range v.truth.Series {
		s := &v.truth.Series[i]
		if s.Service != service || s.Kind != workload.Histogram {
			continue
		}
		cumulative := 0.0
		for b, n := range s.Points[len(s.Points)-1].Buckets {
			cumulative += float64(n)
			bound := "+Inf"
			if b < len(workload.Bounds) {
				bound = strconv.FormatFloat(workload.Bounds[b], 'g', -1, 64)
			}
			want[bound+"|"] += cumulative
		}
	}
	v.compareVector(ctx, c, fmt.Sprintf("sum by (le) (shop_request_duration_seconds_bucket{instance=%q})", v.w.InstanceID(service)), want)
}

// seriesName tells the series of one metric of one service apart.
func seriesName(s *workload.Series) string {
	name := ""
	for _, a := range s.Attrs {
		name += fmt.Sprint(a.Value) + "|"
	}
	return name
}

func labelsName(labels map[string]string) string {
	name := ""
	for _, key := range []string{"le", "operation", "outcome"} {
		if value, ok := labels[key]; ok {
			name += boundText(key, value) + "|"
		}
	}
	return name
}

// boundText writes bucket bounds in one way: 1.0 and 1 are the same.
func boundText(key, value string) string {
	if f, err := strconv.ParseFloat(value, 64); key == "le" && err == nil && value != "+Inf" {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return value
}

func (v *Verifier) compareVector(ctx context.Context, c *Check, query string, want map[string]float64) {
	c.asked(len(want))
	got, err := v.values(ctx, "/prometheus/api/v1/query", url.Values{"query": {query}, "time": {seconds(v.w.End())}}, labelsName)
	if err != nil {
		c.find(Unanswered, 1, "%s: %v", query, err)
		return
	}
	for name, w := range want {
		g, ok := got[name]
		delete(got, name)
		switch {
		case !ok:
			c.find(Lost, 1, "%s %s = %v", query, name, w)
		case g != w:
			c.find(Wrong, 1, "%s %s is %v, want %v", query, name, g, w)
		}
	}
	for name, g := range got {
		c.find(Wrong, 1, "%s %s = %v was not sent", query, name, g)
	}
}

// exemplars asks for the exemplars of every service's histograms.
func (v *Verifier) exemplars(ctx context.Context, c *Check) {
	for service, s := range workload.Services {
		want, got := multiset{}, multiset{}
		for i := range v.truth.Series {
			if v.truth.Series[i].Service != service {
				continue
			}
			for p := range v.truth.Series[i].Points {
				if e := v.truth.Series[i].Points[p].Exemplar; e != nil {
					want[e.Trace.String()+"/"+e.Span.String()]++
				}
			}
		}
		var answer struct {
			Data []struct {
				Exemplars []struct {
					Labels map[string]string `json:"labels"`
				} `json:"exemplars"`
			} `json:"data"`
		}
		c.asked(len(want))
		query := fmt.Sprintf("shop_request_duration_seconds_bucket{instance=%q}", v.w.InstanceID(service))
		err := v.api.getJSON(ctx, "/prometheus/api/v1/query_exemplars", url.Values{
			"query": {query}, "start": {seconds(v.from)}, "end": {seconds(v.to)},
		}, &answer)
		if err != nil {
			c.find(Unanswered, 1, "%s: %v", query, err)
			continue
		}
		for _, series := range answer.Data {
			for _, e := range series.Exemplars {
				got[e.Labels["trace_id"]+"/"+e.Labels["span_id"]]++
			}
		}
		c.compare(got, want, "exemplar of "+s.Name)
	}
}
