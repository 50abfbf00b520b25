package client

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// Trace asks for one trace and shows it as a waterfall.
func (c *Client) Trace(ctx context.Context, id string) error {
	trace, ok := telemetry.ParseTraceID(strings.ReplaceAll(strings.TrimSpace(id), "-", ""))
	if !ok {
		return usagef("trace ID %q: want up to 32 hex digits", id)
	}
	q := url.Values{}
	if c.opts.From != "" || c.opts.To != "" {
		from, to, err := c.window(defaultBack)
		if err != nil {
			return err
		}
		q.Set("start", strconv.FormatInt(from.Unix(), 10))
		q.Set("end", strconv.FormatInt(to.Unix()+1, 10))
	}
	var answer otlpTrace
	if printed, err := c.getJSON(ctx, "/tempo/api/traces/"+trace.String(), q, &answer); printed || err != nil {
		return err
	}
	entries := answer.entries()
	if len(entries) == 0 {
		return notFoundf("no span of trace %s is stored", trace)
	}
	c.showStory(storyOf("trace_id", trace.String(), entries))
	return nil
}

// found is a trace of Tempo's search.
type found struct {
	TraceID     string `json:"traceID"`
	RootService string `json:"rootServiceName"`
	RootName    string `json:"rootTraceName"`
	Start       string `json:"startTimeUnixNano"`
	DurationMS  int64  `json:"durationMs"`
}

// Search asks a TraceQL query and lists the traces.
func (c *Client) Search(ctx context.Context, query string, limit int) error {
	from, to, err := c.window(defaultBack)
	if err != nil {
		return err
	}
	q := url.Values{"q": {query}, "start": {strconv.FormatInt(from.Unix(), 10)}, "end": {strconv.FormatInt(to.Unix()+1, 10)}}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	var answer struct {
		Traces []found `json:"traces"`
	}
	printed, err := c.getJSON(ctx, "/tempo/api/search", q, &answer)
	if err != nil {
		return err
	}
	if len(answer.Traces) == 0 {
		return notFoundf("no trace between %s and %s matches", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	if printed {
		return nil
	}
	paints := colours{}
	rows := [][]string{{"STARTED", "TRACE", "SERVICE", "NAME", "TOOK"}}
	for _, t := range answer.Traces {
		ns, err := strconv.ParseInt(t.Start, 10, 64)
		if err != nil {
			return failedf("read the start of trace %s: %w", t.TraceID, err)
		}
		took := short(time.Duration(t.DurationMS) * time.Millisecond)
		if t.DurationMS == 0 {
			took = "<1ms"
		}
		rows = append(rows, []string{time.Unix(0, ns).Format("2006-01-02 15:04:05.000"), clean(t.TraceID),
			paint(paints.of(t.RootService), clean(t.RootService)), clean(t.RootName), took})
	}
	c.table(rows, 4)
	return nil
}

func millisDuration(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
