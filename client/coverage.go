package client

import (
	"context"
	"net/url"
	"strconv"

	"github.com/clewhq/clew/query/compare"
	"github.com/clewhq/clew/query/coverage"
)

// Coverage asks how well the signals of every service join and shows it.
func (c *Client) Coverage(ctx context.Context) error {
	q := url.Values{}
	c.rangeParams(q)
	var a coverage.Answer
	if printed, err := c.getJSON(ctx, "/api/v1/coverage", q, &a); printed || err != nil {
		return err
	}
	if len(a.Services) == 0 {
		return notFoundf("no service has sent anything in this time range; --from 24h looks further back")
	}
	rows := [][]string{{"SERVICE", "LOGS", "WITH TRACE", "SPANS", "WITH LOGS", "TRACES", "WITH ROOT", "WITH PARENTS", "UNANSWERED", "ADVICE"}}
	row := func(name string, f coverage.Figures, advice string) {
		rows = append(rows, []string{name, strconv.Itoa(f.Logs), percent(f.LogsWithTraceShare, f.Logs), strconv.Itoa(f.Spans), percent(f.SpansWithLogsShare, f.Spans),
			strconv.Itoa(f.Traces), percent(f.TracesWithRootShare, f.Traces), percent(f.TracesWithParentsShare, f.Traces), strconv.Itoa(f.CallsUnanswered), advice})
	}
	paints := colours{}
	for _, s := range a.Services {
		row(paint(paints.of(s.Name), clean(s.Name)), s.Figures, s.Advice)
	}
	row(bold("all"), a.Total, "")
	c.table(rows, 1, 2, 3, 4, 5, 6, 7, 8)
	for _, w := range a.Warnings {
		c.printf("%s %s\n", paint(warnStyle, "warning"), clean(w))
	}
	return nil
}

func percent(share float64, of int) string {
	if of == 0 {
		return "-"
	}
	return digits(100*share) + "%"
}

// CompareOptions says what is compared and how.
type CompareOptions struct {
	Baseline string // "" is everything else
	Signal   string // traces or logs; "" for traces
	By       string // spans or traces
	Limit    int    // 0 is the server's default
}

// Compare asks what the records of a selection have in common that those of
// the baseline do not, and shows it.
func (c *Client) Compare(ctx context.Context, selection string, o CompareOptions) error {
	q := url.Values{"selection": {selection}}
	c.rangeParams(q)
	for name, value := range map[string]string{"baseline": o.Baseline, "signal": o.Signal, "by": o.By} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	var a compare.Answer
	if printed, err := c.getJSON(ctx, "/api/v1/compare", q, &a); printed || err != nil {
		return err
	}
	if a.Selection.Count == 0 {
		return notFoundf("nothing matches %s in this time range; --from 24h looks further back", selection)
	}
	c.printf("%d %s of the selection against %d\n\n", a.Selection.Count, a.By, a.Baseline.Count)
	rows := [][]string{{"", "ATTRIBUTE", "VALUE", "SELECTION", "BASELINE"}}
	for _, d := range a.Differences {
		sign := paint(errorStyle, "+"+percent(d.Difference, 1))
		if d.Difference < 0 {
			sign = faint(percent(d.Difference, 1))
		}
		rows = append(rows, []string{sign, faint(d.Scope) + " " + clean(d.Key), clean(d.Value), percent(d.SelectionShare, 1), percent(d.BaselineShare, 1)})
	}
	c.table(rows, 0, 3, 4)
	for _, w := range a.Warnings {
		c.printf("%s %s\n", paint(warnStyle, "warning"), clean(w))
	}
	return nil
}
