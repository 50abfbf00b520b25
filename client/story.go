package client

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/query/correlate"
)

// StoryOptions bounds a story; zero Limit and negative Hops are the server's
// defaults.
type StoryOptions struct {
	Hops, Limit int
	// Kinds are those that are followed beside the ones that join by
	// themselves, separated by commas.
	Kinds string
}

// Correlate asks for everything that happened to an ID and shows it.
func (c *Client) Correlate(ctx context.Context, id string, o StoryOptions) error {
	if strings.TrimSpace(id) == "" {
		return usagef("the ID is empty")
	}
	var a correlate.Answer
	if printed, err := c.getJSON(ctx, "/api/v1/correlate/"+escaped(id), c.storyParams(o), &a); printed || err != nil {
		return err
	}
	c.showStory(&a)
	return nil
}

// maxHeaderIDs is how many related IDs the header names; --output json has all.
const maxHeaderIDs = 12

// showStory prints the header and the waterfall.
func (c *Client) showStory(a *correlate.Answer) {
	paints := colours{}
	for _, s := range a.Services {
		paints.of(s.Name)
	}
	errors := 0
	for _, s := range a.Services {
		errors += s.Errors
	}
	summary := []string{plural(len(a.Timeline), "entry"), plural(len(a.Services), "service"), plural(len(a.Traces), "trace")}
	if errors > 0 {
		summary = append(summary, paint(errorStyle, plural(errors, "error")))
	}
	c.printf("%s %s  %s\n", faint(a.Kind), bold(clean(a.ID)), strings.Join(summary, " · "))
	c.printf("%s, %s\n\n", a.Range.From.Format("2006-01-02 15:04:05.000 MST"), short(a.Range.To.Sub(a.Range.From)))
	c.list("services", serviceLines(a, paints))
	c.list("calls", edgeLines(a, paints))
	c.list("ids", idLines(a))
	c.insights(a, paints)
	for _, w := range a.Warnings {
		c.printf("%s %s\n", paint(warnStyle, "warning"), clean(w))
	}
	c.printf("\n")
	c.waterfall(a.Timeline, a.Range.From, a.Range.To, paints)
	if a.Truncated {
		c.printf("%s\n", paint(warnStyle, "there is more: raise --limit"))
	}
	if a.Partial {
		c.printf("%s\n", paint(warnStyle, "something is missing: see the warnings above"))
	}
}

// titleWidth is the width of the titles in the header of a story.
const titleWidth = 10

// list prints lines behind a title, wrapped as whole items.
func (c *Client) list(title string, items []string) {
	const indent = titleWidth
	line, used := faint(fit(title, indent)), indent
	for i, item := range items {
		sep := " · "
		if i == 0 {
			sep = ""
		}
		if w := cellWidth(item) + cellWidth(sep); used+w > c.width && used > indent {
			c.printf("%s\n", line)
			line, used, sep = strings.Repeat(" ", indent), indent, ""
		}
		line += faint(sep) + item
		used += cellWidth(item) + cellWidth(sep)
	}
	if len(items) > 0 {
		c.printf("%s\n", line)
	}
}

func serviceLines(a *correlate.Answer, paints colours) []string {
	var out []string
	for _, s := range a.Services {
		var parts []string
		if s.Spans > 0 {
			parts = append(parts, plural(s.Spans, "span"))
		}
		if s.Logs > 0 {
			parts = append(parts, plural(s.Logs, "log"))
		}
		item := paint(paints.of(s.Name), clean(s.Name)) + " " + faint(strings.Join(parts, ", "))
		if s.Errors > 0 {
			item += " " + paint(errorStyle, plural(s.Errors, "error"))
		}
		out = append(out, item)
	}
	return out
}

func edgeLines(a *correlate.Answer, paints colours) []string {
	var out []string
	for _, e := range a.Edges {
		item := paint(paints.of(e.Source), clean(e.Source)) + " → " + paint(paints.of(e.Target), clean(e.Target))
		if e.Calls > 1 {
			item += fmt.Sprintf(" ×%d", e.Calls)
		}
		if e.Errors > 0 {
			item += " " + paint(errorStyle, plural(e.Errors, "error"))
		}
		if e.Evidence == correlate.EvidenceLogs {
			item += " " + faint("(by logs)")
		}
		out = append(out, item)
	}
	return out
}

func idLines(a *correlate.Answer) []string {
	var out []string
	for i, id := range a.IDs {
		if id.Via == "query" {
			continue
		}
		if len(out) == maxHeaderIDs {
			return append(out, faint(fmt.Sprintf("and %d more", len(a.IDs)-i)))
		}
		out = append(out, id.Kind+" "+bold(clean(id.ID))+" "+faint("("+clean(id.Via)+")"))
	}
	return out
}

// storyOf makes a story of the entries of one trace, for answers that come
// from other APIs.
func storyOf(kind, id string, entries []correlate.Entry) *correlate.Answer {
	a := &correlate.Answer{ID: id, Kind: kind, Timeline: entries}
	slices.SortStableFunc(a.Timeline, func(x, y correlate.Entry) int { return x.Time.Compare(y.Time) })
	at := map[string]int{}
	byID := map[string]*correlate.Entry{}
	for i := range a.Timeline {
		e := &a.Timeline[i]
		end := e.Time.Add(time.Duration(e.DurationNS))
		if i == 0 || e.Time.Before(a.Range.From) {
			a.Range.From = e.Time
		}
		if i == 0 || end.After(a.Range.To) {
			a.Range.To = end
		}
		if e.Type != correlate.TypeSpan {
			continue
		}
		byID[e.SpanID] = e
		if _, ok := at[e.Service]; !ok {
			at[e.Service] = len(a.Services)
			a.Services = append(a.Services, correlate.Service{Name: e.Service})
		}
		s := &a.Services[at[e.Service]]
		s.Spans++
		if e.Status == "error" {
			s.Errors++
		}
	}
	a.Traces = []correlate.Trace{{TraceID: id}}
	a.Edges = edgesOf(a.Timeline, byID)
	return a
}

func edgesOf(entries []correlate.Entry, byID map[string]*correlate.Entry) []correlate.Edge {
	var out []correlate.Edge
	for i := range entries {
		e := &entries[i]
		p := byID[e.ParentSpanID]
		if e.Type != correlate.TypeSpan || p == nil || p.Service == e.Service {
			continue
		}
		n := slices.IndexFunc(out, func(x correlate.Edge) bool { return x.Source == p.Service && x.Target == e.Service })
		if n < 0 {
			out = append(out, correlate.Edge{Source: p.Service, Target: e.Service, Evidence: correlate.EvidenceSpans})
			n = len(out) - 1
		}
		out[n].Calls++
		if e.Status == "error" {
			out[n].Errors++
		}
	}
	return out
}
