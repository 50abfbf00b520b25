package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/clewhq/clew/query/correlate"
)

// maxInsights is how many lines of a kind the header shows; --output json has
// all.
const maxInsights = 5

// insights prints what stands out: who was waited for, when nothing happened,
// whose clocks disagree, what is missing, and what happened around.
func (c *Client) insights(a *correlate.Answer, paints colours) {
	c.list("waited", waitedLines(a, paints))
	var lines []string
	for _, g := range a.Gaps {
		lines = append(lines, fmt.Sprintf("%s from %s", bold(short(time.Duration(g.DurationNS))), faint("+"+short(g.From.Sub(a.Range.From)))))
	}
	c.list("gaps", lines)
	lines = nil
	for _, s := range a.ClockSkew {
		direction := "ahead of"
		if s.OffsetNS < 0 {
			direction = "behind"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s", paint(paints.of(s.Service), clean(s.Service)), bold(short(time.Duration(max(s.OffsetNS, -s.OffsetNS)))), direction, clean(s.RelativeTo)))
	}
	c.list("clocks", lines)
	c.each("missing", len(a.Missing), func(i int) string { return clean(a.Missing[i].Text) })
	c.each("nearby", len(a.Nearby), func(i int) string {
		e := &a.Nearby[i]
		return fmt.Sprintf("%s %s %s", e.Time.Format("15:04:05.000"), clean(e.Service), clean(e.Text))
	})
}

// each prints one line for every item, the title before the first.
func (c *Client) each(title string, n int, line func(int) string) {
	for i := range n {
		if i == maxInsights {
			c.printf("%s%s\n", fit("", titleWidth), faint(fmt.Sprintf("and %d more", n-i)))
			return
		}
		c.printf("%s%s\n", faint(fit(title, titleWidth)), strings.TrimRight(fit(line(i), max(c.width-titleWidth, titleWidth)), " "))
		title = ""
	}
}

// waitedLines sums the critical path up by service, the longest first.
func waitedLines(a *correlate.Answer, paints colours) []string {
	if len(a.CriticalPath) < 2 {
		return nil
	}
	total := map[string]int64{}
	var order []string
	var all int64
	for _, s := range a.CriticalPath {
		if _, ok := total[s.Service]; !ok {
			order = append(order, s.Service)
		}
		total[s.Service] += s.DurationNS
		all += s.DurationNS
	}
	var out []string
	for len(order) > 0 {
		at := 0
		for i, name := range order {
			if total[name] > total[order[at]] {
				at = i
			}
		}
		name := order[at]
		order = append(order[:at], order[at+1:]...)
		out = append(out, fmt.Sprintf("%s %s %s", paint(paints.of(name), clean(name)), short(time.Duration(total[name])), faint(digits(100*float64(total[name])/float64(max(all, 1)))+"%")))
	}
	return out
}

// FollowEvery is how often a story that is followed is asked for.
const FollowEvery = time.Second

// CorrelateFollow shows the story of an ID and goes on with what comes in,
// until ctx ends: for a request that is still under way.
func (c *Client) CorrelateFollow(ctx context.Context, id string, o StoryOptions, every time.Duration) error {
	if strings.TrimSpace(id) == "" {
		return usagef("the ID is empty")
	}
	seen, paints, told := map[string]int{}, colours{}, false
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		var a correlate.Answer
		body, err := c.get(ctx, "/api/v1/correlate/"+escaped(id), c.storyParams(o))
		var answer *Error
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &answer) && answer.Code == ExitNotFound:
			if !told && !c.json() {
				told = true
				c.printf("%s\n", faint("nothing carries this ID yet"))
			}
		case err != nil:
			return err
		default:
			if err := json.Unmarshal(body, &a); err != nil {
				return failedf("read the story: %w", err)
			}
			if err := c.showNew(&a, seen, paints); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// showNew prints the entries that were not there before, one line each.
func (c *Client) showNew(a *correlate.Answer, seen map[string]int, paints colours) error {
	have := map[string]int{}
	for i := range a.Timeline {
		e := &a.Timeline[i]
		key := strings.Join([]string{e.Time.String(), e.Type, e.Service, e.SpanID, e.Text}, "\x00")
		have[key]++
		if have[key] <= seen[key] {
			continue
		}
		seen[key] = have[key]
		if c.json() {
			line, err := json.Marshal(e)
			if err != nil {
				return failedf("write an entry: %w", err)
			}
			c.printf("%s\n", line)
			continue
		}
		it := &item{Entry: e}
		mark, text := label(it)
		style := severityStyle(e.Severity)
		if it.failed() {
			style = errorStyle
		}
		took := ""
		if e.DurationNS > 0 {
			took = " " + faint(short(time.Duration(e.DurationNS)))
		}
		c.printf("%s %s %s%s\n", faint(e.Time.Format("15:04:05.000")), paint(paints.of(e.Service), fit(clean(e.Service), maxService)), paint(style, mark+text), took)
	}
	return nil
}

// storyParams are the parameters of a question for a story.
func (c *Client) storyParams(o StoryOptions) url.Values {
	q := url.Values{}
	c.rangeParams(q)
	if o.Hops >= 0 {
		q.Set("hops", fmt.Sprint(o.Hops))
	}
	if o.Limit > 0 {
		q.Set("limit", fmt.Sprint(o.Limit))
	}
	if o.Kinds != "" {
		q.Set("follow", o.Kinds)
	}
	return q
}
