package client

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// promAnswer is Prometheus's answer, and Loki's.
type promAnswer struct {
	Data struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
	Warnings []string `json:"warnings"`
}

// point is [unix seconds, "value"].
type point [2]any

func (p point) value() float64 {
	s, _ := p[1].(string)
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

func (p point) text() string {
	s, _ := p[1].(string)
	return s
}

// series is a series of a vector (Value) or of a matrix (Values).
type series struct {
	Metric map[string]string `json:"metric"`
	Value  point             `json:"value"`
	Values []point           `json:"values"`
}

// points is how many steps a range is cut into where no step is given.
const points = 60

// Metrics asks a PromQL query: at one time, or over a range where there is a
// --from.
func (c *Client) Metrics(ctx context.Context, query string, step time.Duration) error {
	q, path := url.Values{"query": {query}}, "/prometheus/api/v1/query"
	from, to, err := c.window(defaultBack)
	if err != nil {
		return err
	}
	if c.opts.From == "" {
		q.Set("time", seconds(to))
	} else {
		if step <= 0 {
			step = max(to.Sub(from)/points, time.Second).Round(time.Second)
		}
		path = "/prometheus/api/v1/query_range"
		q.Set("start", seconds(from))
		q.Set("end", seconds(to))
		q.Set("step", strconv.FormatFloat(step.Seconds(), 'f', -1, 64))
	}
	var answer promAnswer
	if printed, err := c.getJSON(ctx, path, q, &answer); printed || err != nil {
		return err
	}
	return c.showSeries(&answer)
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixNano())/1e9, 'f', 3, 64) }

// showSeries prints numbers: one a series, or a line of signs for a range.
func (c *Client) showSeries(a *promAnswer) error {
	if t := a.Data.ResultType; t == "scalar" || t == "string" {
		var p point
		if err := json.Unmarshal(a.Data.Result, &p); err != nil {
			return failedf("read the value of the answer: %w", err)
		}
		c.printf("%s\n", clean(p.text()))
		return nil
	}
	var all []series
	if err := json.Unmarshal(a.Data.Result, &all); err != nil {
		return failedf("read the series of the answer: %w", err)
	}
	if len(all) == 0 {
		return notFoundf("no series matches")
	}
	if a.Data.ResultType == "matrix" {
		rows := [][]string{{"SERIES", "", "MIN", "MAX", "LAST"}}
		for _, s := range all {
			low, high := extremes(s.Values)
			last := ""
			if len(s.Values) > 0 {
				last = s.Values[len(s.Values)-1].text()
			}
			rows = append(rows, []string{seriesName(s.Metric), sparkline(s.Values, low, high), number(low), number(high), last})
		}
		c.table(rows, 2, 3, 4)
	} else {
		rows := [][]string{{"SERIES", "VALUE"}}
		for _, s := range all {
			rows = append(rows, []string{seriesName(s.Metric), s.Value.text()})
		}
		c.table(rows, 1)
	}
	c.warnings(a.Warnings)
	return nil
}

// warnings says what is missing from an answer.
func (c *Client) warnings(list []string) {
	for _, w := range list {
		c.printf("%s %s\n", paint(warnStyle, "warning"), clean(w))
	}
}

// seriesName renders labels as PromQL writes them.
func seriesName(labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if name != "__name__" {
			parts = append(parts, name+"="+strconv.Quote(labels[name]))
		}
	}
	if len(parts) == 0 && labels["__name__"] != "" {
		return labels["__name__"]
	}
	return labels["__name__"] + "{" + strings.Join(parts, ", ") + "}"
}

func extremes(ps []point) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range ps {
		if v := p.value(); !math.IsNaN(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	return low, high
}

func number(f float64) string {
	if math.IsInf(f, 0) {
		return "-"
	}
	return strconv.FormatFloat(f, 'g', 6, 64)
}

// sparkline draws values between low and high with eight heights.
func sparkline(ps []point, low, high float64) string {
	heights := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, p := range ps {
		v := p.value()
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			b.WriteByte(' ')
		case high <= low || math.IsInf(high-low, 0):
			b.WriteRune(heights[0])
		default:
			b.WriteRune(heights[int((v-low)/(high-low)*float64(len(heights)-1)+0.5)])
		}
	}
	return b.String()
}
