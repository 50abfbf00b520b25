package client

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/clewhq/clew/query/servicemap"
)

// The formats of a map besides text and JSON.
const (
	FormatDOT     = "dot"
	FormatMermaid = "mermaid"
)

// MapOptions selects a part of the map and how to show it.
type MapOptions struct {
	Format  string // text, json, dot or mermaid; "" follows the output
	Service string
	Depth   int // only with Service; negative is the server's default
	// Source and Target are the two ends of the ways to show.
	Source, Target string
	// Compare is what the map is compared with: previous, or "".
	Compare string
}

// Map asks who calls whom and shows it.
func (c *Client) Map(ctx context.Context, o MapOptions) error {
	if o.Format == "" {
		o.Format = c.opts.Output
	}
	show := map[string]func(*servicemap.Map){OutputText: c.showMap, OutputJSON: nil,
		FormatDOT:     func(m *servicemap.Map) { c.printf("%s", m.DOT()) },
		FormatMermaid: func(m *servicemap.Map) { c.printf("%s", m.Mermaid()) }}
	render, known := show[o.Format]
	if !known {
		return usagef("format %q: want %s, %s, %s or %s", o.Format, OutputText, OutputJSON, FormatDOT, FormatMermaid)
	}
	q := url.Values{}
	c.rangeParams(q)
	if o.Service != "" {
		q.Set("service", o.Service)
		if o.Depth >= 0 {
			q.Set("depth", strconv.Itoa(o.Depth))
		}
	}
	for name, value := range map[string]string{"source": o.Source, "target": o.Target, "compare": o.Compare} {
		if value != "" {
			q.Set(name, value)
		}
	}
	as := *c
	as.opts.Output = OutputText
	if o.Format == OutputJSON {
		as.opts.Output = OutputJSON
	}
	var m servicemap.Map
	printed, err := as.getJSON(ctx, "/api/v1/servicemap", q, &m)
	switch {
	case err != nil:
		return err
	case len(m.Nodes) == 0 && o.Service != "":
		return notFoundf("no service %q in this time range", o.Service)
	case len(m.Nodes) == 0 && o.Source != "":
		return notFoundf("no calls lead from %q to %q in this time range", o.Source, o.Target)
	case len(m.Nodes) == 0:
		return notFoundf("no service has sent anything in this time range; --from 24h looks further back")
	case !printed:
		render(&m)
	}
	return nil
}

// showMap prints the map as two tables.
func (c *Client) showMap(m *servicemap.Map) {
	rows := [][]string{{"NODE", "TYPE", "CALLS", "ERRORS", "P50", "P95", "P99", "HEALTH", "EVIDENCE"}}
	paints := colours{}
	for _, n := range m.Nodes {
		rows = append(rows, []string{paint(paints.of(n.ID), clean(n.ID)), n.Type, calls(n.Calls, n.Before, n.Change), errorsOf(n.Errors, n.Calls),
			millis(n.P50, n.Calls), millis(n.P95, n.Calls), millis(n.P99, n.Calls), health(n.Health), n.Evidence})
	}
	c.table(rows, 2, 3, 4, 5, 6)
	c.showReasons(m.Nodes)
	if len(m.Edges) > 0 {
		c.printf("\n")
		rows = [][]string{{"CALLER", "", "CALLED", "PROTOCOL", "CALLS", "ERRORS", "P50", "P95", "P99", "HEALTH", "EVIDENCE"}}
		for _, e := range m.Edges {
			rows = append(rows, []string{paint(paints.of(e.Source), clean(e.Source)), "→", paint(paints.of(e.Target), clean(e.Target)), clean(e.Protocol),
				calls(e.Calls, e.Before, e.Change), errorsOf(e.Errors, e.Calls), millis(e.P50, e.Calls), millis(e.P95, e.Calls), millis(e.P99, e.Calls), health(e.Health), e.Evidence})
		}
		c.table(rows, 4, 5, 6, 7, 8)
	}
	for _, u := range m.Unpaired {
		c.printf("%s\n", faint(unpairedText(u)))
	}
	for _, w := range m.Warnings {
		c.printf("%s %s\n", paint(warnStyle, "warning"), clean(w))
	}
}

// showReasons says why nodes are not well, and what was wrong and is over.
func (c *Client) showReasons(nodes []servicemap.Node) {
	rows := [][]string{{"WHY", "", "SINCE", ""}}
	for _, n := range nodes {
		for _, r := range n.Reasons {
			rows = append(rows, []string{clean(n.ID), health(r.Health), since(r.Since, r.Until), clean(r.Text)})
		}
	}
	if len(rows) > 1 {
		c.printf("\n")
		c.table(rows)
	}
}

// since shows when something began, and when it ended if it did.
func since(from, until *time.Time) string {
	const layout = "01-02 15:04:05"
	switch {
	case from == nil:
		return "-"
	case until != nil:
		return from.Local().Format(layout) + " to " + until.Local().Format(layout)
	}
	return from.Local().Format(layout)
}

// calls shows how many there are, and how many there were.
func calls(n int, before *servicemap.Figures, change string) string {
	text := strconv.Itoa(n)
	switch {
	case change == servicemap.ChangeRemoved:
		return paint(errorStyle, fmt.Sprintf("gone (%d)", before.Calls))
	case change == servicemap.ChangeAdded:
		return text + " new"
	case before != nil && before.Calls != n:
		return text + faint(fmt.Sprintf(" (%d)", before.Calls))
	}
	return text
}

// unpairedText says why edges may be missing.
func unpairedText(u servicemap.Unpaired) string {
	text := clean(u.Service) + ": " + plural(u.Spans, "span")
	switch u.Reason {
	case servicemap.ReasonParent:
		text += " whose parent was not received"
	case servicemap.ReasonServer:
		text += " of calls for which " + clean(u.Target) + " sent no span"
	default:
		text += " of calls that do not say who was called"
	}
	if len(u.SampleTraceIDs) > 0 {
		text += ", such as in trace " + u.SampleTraceIDs[0]
	}
	return text
}

func errorsOf(errors, calls int) string {
	if errors == 0 {
		return "0"
	}
	return paint(errorStyle, fmt.Sprintf("%d (%s%%)", errors, digits(100*float64(errors)/float64(max(calls, 1)))))
}

func millis(ms float64, calls int) string {
	if calls == 0 {
		return "-"
	}
	return short(millisDuration(ms))
}

func health(h string) string {
	switch h {
	case servicemap.HealthDown:
		return paint(errorStyle, h)
	case servicemap.HealthDegraded:
		return paint(warnStyle, h)
	}
	return h
}
