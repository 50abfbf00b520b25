package client

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

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
}

// Map asks who calls whom and shows it.
func (c *Client) Map(ctx context.Context, o MapOptions) error {
	if o.Format == "" {
		o.Format = c.opts.Output
	}
	show := map[string]func(*servicemap.Map){OutputText: c.showMap, OutputJSON: nil, FormatDOT: c.showDOT, FormatMermaid: c.showMermaid}
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
	case len(m.Nodes) == 0:
		return notFoundf("no service has sent anything in this time range; --from 24h looks further back")
	case !printed:
		render(&m)
	}
	return nil
}

// showMap prints the map as two tables.
func (c *Client) showMap(m *servicemap.Map) {
	rows := [][]string{{"NODE", "TYPE", "CALLS", "ERRORS", "P50", "P95", "P99", "HEALTH"}}
	paints := colours{}
	for _, n := range m.Nodes {
		rows = append(rows, []string{paint(paints.of(n.ID), clean(n.ID)), n.Type, strconv.Itoa(n.Calls), errorsOf(n.Errors, n.Calls),
			millis(n.P50, n.Calls), millis(n.P95, n.Calls), millis(n.P99, n.Calls), health(n.Health)})
	}
	c.table(rows, 2, 3, 4, 5, 6)
	if len(m.Edges) > 0 {
		c.printf("\n")
		rows = [][]string{{"CALLER", "", "CALLED", "PROTOCOL", "CALLS", "ERRORS", "P50", "P95", "P99", "EVIDENCE"}}
		for _, e := range m.Edges {
			rows = append(rows, []string{paint(paints.of(e.Source), clean(e.Source)), "→", paint(paints.of(e.Target), clean(e.Target)), clean(e.Protocol),
				strconv.Itoa(e.Calls), errorsOf(e.Errors, e.Calls), millis(e.P50, e.Calls), millis(e.P95, e.Calls), millis(e.P99, e.Calls), e.Evidence})
		}
		c.table(rows, 4, 5, 6, 7, 8)
	}
	for _, w := range m.Warnings {
		c.printf("%s %s\n", paint(warnStyle, "warning"), clean(w))
	}
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

// dotShapes are Graphviz's shapes and mermaidShapes Mermaid's brackets, by type.
var (
	dotShapes = map[string]string{servicemap.TypeService: "box", servicemap.TypeDatabase: "cylinder", servicemap.TypeQueue: "cds",
		servicemap.TypeExternal: "ellipse", servicemap.TypeUser: "house"}
	mermaidShapes = map[string][2]string{servicemap.TypeService: {"[", "]"}, servicemap.TypeDatabase: {"[(", ")]"}, servicemap.TypeQueue: {"[[", "]]"},
		servicemap.TypeExternal: {"([", "])"}, servicemap.TypeUser: {"((", "))"}}
)

// showDOT prints the map for Graphviz.
func (c *Client) showDOT(m *servicemap.Map) {
	c.printf("digraph clew {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n")
	for _, n := range m.Nodes {
		colour := ""
		if n.Health == servicemap.HealthDown || n.Health == servicemap.HealthDegraded {
			colour = ", color=red"
		}
		c.printf("  %s [shape=%s%s];\n", dotQuote(n.ID), orElse(dotShapes[n.Type], "box"), colour)
	}
	for _, e := range m.Edges {
		style := ""
		if e.Errors > 0 {
			style = ", color=red"
		}
		c.printf("  %s -> %s [label=%s%s];\n", dotQuote(e.Source), dotQuote(e.Target), dotQuote(edgeText(e)), style)
	}
	c.printf("}\n")
}

func dotQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(clean(s)) + `"`
}

// showMermaid prints the map for Mermaid.
func (c *Client) showMermaid(m *servicemap.Map) {
	c.printf("flowchart LR\n")
	ids := map[string]string{}
	for i, n := range m.Nodes {
		ids[n.ID] = "n" + strconv.Itoa(i)
		shape, ok := mermaidShapes[n.Type]
		if !ok {
			shape = mermaidShapes[servicemap.TypeService]
		}
		c.printf("  %s%s%s%s\n", ids[n.ID], shape[0], mermaidQuote(n.ID), shape[1])
	}
	for _, e := range m.Edges {
		c.printf("  %s -->|%s| %s\n", ids[e.Source], mermaidQuote(edgeText(e)), ids[e.Target])
	}
}

func mermaidQuote(s string) string {
	return `"` + strings.NewReplacer(`"`, "#quot;", "<", "#lt;", ">", "#gt;").Replace(clean(s)) + `"`
}

func edgeText(e servicemap.Edge) string {
	text := e.Protocol + ", " + plural(e.Calls, "call")
	if e.Errors > 0 {
		text += ", " + plural(e.Errors, "error")
	}
	return text
}
