package client

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/clewhq/clew/query/correlate"
)

// LogOptions says which lines, and whether to go on.
type LogOptions struct {
	Follow bool
	Limit  int // newest lines, 0 for the server's default
	// Explain shows what the query costs instead of its answer.
	Explain bool
}

// defaultBack is how far back a question looks that says no --from.
const defaultBack = time.Hour

// stream is a stream of Loki's answers. A value is a time, a line, and perhaps
// structured metadata.
type stream struct {
	Stream map[string]string   `json:"stream"`
	Values [][]json.RawMessage `json:"values"`
}

// line is one log line of an answer.
type line struct {
	ns     int64
	text   string
	labels map[string]string
}

// Logs asks a LogQL query: lines are printed oldest first, metrics as tables.
func (c *Client) Logs(ctx context.Context, query string, o LogOptions) error {
	from, to, err := c.window(defaultBack)
	if err != nil {
		return err
	}
	if o.Follow && c.opts.To != "" {
		return usagef("--follow goes on for ever: leave --to away")
	}
	q := url.Values{"query": {query}, "start": {nanos(from)}, "end": {nanos(to)}, "direction": {"backward"}}
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	if o.Explain {
		if o.Follow {
			return usagef("--explain goes with a query that ends: leave --follow away")
		}
		return c.explainLogs(ctx, q)
	}
	if o.Follow && c.opts.From == "" {
		return c.follow(ctx, query, to, 0)
	}
	var answer promAnswer
	printed, err := c.getJSON(ctx, "/loki/api/v1/query_range", q, &answer)
	if err != nil {
		return err
	}
	if answer.Data.ResultType != "streams" {
		if printed {
			return nil
		}
		return c.showSeries(&answer)
	}
	lines, err := linesOf(answer.Data.Result)
	if err != nil {
		return err
	}
	if !printed {
		c.warnings(answer.Warnings)
	}
	if len(lines) == 0 && !o.Follow {
		return notFoundf("no line between %s and %s matches", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	paints, last := colours{}, to.UnixNano()
	for _, l := range lines {
		last = max(last, l.ns+1)
		if !printed {
			c.showLine(l, paints)
		}
	}
	if o.Follow {
		return c.follow(ctx, query, time.Unix(0, last), 0)
	}
	return nil
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// linesOf sorts the lines of all streams by time.
func linesOf(result json.RawMessage) ([]line, error) {
	var streams []stream
	if err := json.Unmarshal(result, &streams); err != nil {
		return nil, failedf("read the lines of the answer: %w", err)
	}
	var out []line
	for _, s := range streams {
		for _, v := range s.Values {
			l, err := lineOf(v, s.Stream)
			if err != nil {
				return nil, err
			}
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b line) int { return cmp.Compare(a.ns, b.ns) })
	return out, nil
}

func lineOf(v []json.RawMessage, labels map[string]string) (line, error) {
	var ns string
	l := line{labels: labels}
	if len(v) < 2 || json.Unmarshal(v[0], &ns) != nil || json.Unmarshal(v[1], &l.text) != nil {
		return l, failedf("read a line of the answer: want [time, line], got %s", v)
	}
	t, err := strconv.ParseInt(ns, 10, 64)
	if err != nil {
		return l, failedf("read the time of a line: %w", err)
	}
	l.ns = t
	return l, nil
}

// showLine prints a line: time, who, how bad, what.
func (c *Client) showLine(l line, paints colours) {
	service := firstOf(l.labels, "service_name", "service", "app", "job", "container")
	severity := firstOf(l.labels, "detected_level", "level", "severity_text", "severity")
	head := faint(time.Unix(0, l.ns).Format("2006-01-02 15:04:05.000"))
	if service != "" {
		head += " " + paint(paints.of(service), clean(service))
	}
	c.printf("%s %s\n", head, paint(severityStyle(severity), clean(l.text)))
}

func firstOf(labels map[string]string, names ...string) string {
	for _, n := range names {
		if v := labels[n]; v != "" {
			return v
		}
	}
	return ""
}

// jsonLine is how --output json shows a line that is followed.
func (c *Client) jsonLine(l line) error {
	b, err := json.Marshal(map[string]any{"time": time.Unix(0, l.ns).UTC(), "type": correlate.TypeLog, "text": l.text, "labels": l.labels})
	if err != nil {
		return failedf("show a line: %w", err)
	}
	c.printf("%s\n", b)
	return nil
}

func (c *Client) emitLine(l line, paints colours) error {
	if c.json() {
		return c.jsonLine(l)
	}
	c.showLine(l, paints)
	return nil
}
