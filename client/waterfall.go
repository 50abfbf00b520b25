package client

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/query/correlate"
)

// item is an entry in its place in the tree.
type item struct {
	*correlate.Entry
	children []*item
	shown    bool
}

func (i *item) end() time.Time { return i.Time.Add(time.Duration(i.DurationNS)) }

func (i *item) failed() bool { return i.Type == correlate.TypeSpan && i.Status == "error" }

// tree puts spans under their parents, logs and events under their spans; what
// has no span goes under the root that was under way at the time. The roots
// and all children are in order of time.
func tree(entries []correlate.Entry) []*item {
	type key struct{ trace, span string }
	items := make([]*item, len(entries))
	spans := map[key]*item{}
	for i := range entries {
		items[i] = &item{Entry: &entries[i]}
		if k := (key{entries[i].TraceID, entries[i].SpanID}); entries[i].Type == correlate.TypeSpan && spans[k] == nil {
			spans[k] = items[i]
		}
	}
	var roots, loose []*item
	for _, it := range items {
		parent := spans[key{it.TraceID, it.SpanID}]
		if it.Type == correlate.TypeSpan {
			parent = spans[key{it.TraceID, it.ParentSpanID}]
		}
		switch {
		case parent != nil && parent != it:
			parent.children = append(parent.children, it)
		case it.Type == correlate.TypeSpan:
			roots = append(roots, it)
		default:
			loose = append(loose, it)
		}
	}
	roots = append(roots, placeLoose(roots, loose)...)
	roots = append(roots, circles(items, roots)...)
	sortTree(roots)
	return roots
}

// placeLoose puts what has no span under the root of its trace, or one that
// was under way; it returns what fits nowhere.
func placeLoose(roots, loose []*item) (rest []*item) {
	for _, it := range loose {
		at := slices.IndexFunc(roots, func(r *item) bool { return it.TraceID != "" && r.TraceID == it.TraceID })
		if at < 0 && it.TraceID == "" {
			at = slices.IndexFunc(roots, func(r *item) bool { return !it.Time.Before(r.Time) && !it.Time.After(r.end()) })
		}
		if at < 0 {
			rest = append(rest, it)
			continue
		}
		roots[at].children = append(roots[at].children, it)
	}
	return rest
}

// circles returns one item of every circle of parents, opened there: broken
// senders make them, and their spans must be seen.
func circles(items, roots []*item) (out []*item) {
	var mark func(*item)
	mark = func(i *item) {
		if !i.shown {
			i.shown = true
			for _, c := range i.children {
				mark(c)
			}
		}
	}
	for _, r := range roots {
		mark(r)
	}
	for _, it := range items {
		if it.shown {
			continue
		}
		mark(it)
		out = append(out, it)
		for _, other := range items {
			other.children = slices.DeleteFunc(other.children, func(c *item) bool { return c == it })
		}
	}
	return out
}

func sortTree(items []*item) {
	slices.SortStableFunc(items, func(a, b *item) int { return a.Time.Compare(b.Time) })
	for _, i := range items {
		sortTree(i.children)
	}
}

// layout is the widths of the waterfall's columns and its time axis.
type layout struct {
	offset, service, label, bar, took int
	from                              time.Time
	span                              time.Duration
}

const (
	offsetWidth  = 9
	tookWidth    = 7
	maxService   = 20
	minBar       = 18
	gaps         = 5 // blanks between the columns, and the bar's edges
	barShare     = 3 // the bar gets a third of what is left
	maxTreeShare = 2 // the tree's lines at most half of the label
)

func newLayout(entries []correlate.Entry, from, to time.Time, width int) layout {
	l := layout{offset: offsetWidth, took: tookWidth, from: from, span: to.Sub(from)}
	for i := range entries {
		l.service = max(l.service, min(cellWidth(clean(entries[i].Service)), maxService))
	}
	left := width - l.offset - l.service - l.took - gaps
	l.bar = max(left/barShare, minBar)
	l.label = max(left-l.bar, minBar)
	return l
}

// waterfall prints entries as a tree beside their time axis.
func (c *Client) waterfall(entries []correlate.Entry, from, to time.Time, paints colours) {
	if len(entries) == 0 {
		return
	}
	l := newLayout(entries, from, to, c.width)
	if axis := l.axis(); axis != "" {
		c.printf("%s\n", faint(axis))
	}
	for _, root := range tree(entries) {
		c.branch(l, root, "", "", paints)
	}
}

// axis is the line over the bars: zero, half, all; none where all is one
// moment.
func (l layout) axis() string {
	if l.span <= 0 {
		return ""
	}
	half, all := short(l.span/2), short(l.span)
	text := fit("0", l.bar/2) + half
	if room := l.bar - cellWidth(text) - cellWidth(all); room > 0 {
		text += strings.Repeat(" ", room) + all
	}
	return strings.Repeat(" ", l.offset+l.service+l.label+3) + text
}

// branch prints one item and what is under it.
func (c *Client) branch(l layout, i *item, lead, under string, paints colours) {
	c.row(l, i, lead, paints)
	for n, child := range i.children {
		if n == len(i.children)-1 {
			c.branch(l, child, under+"└─", under+"  ", paints)
		} else {
			c.branch(l, child, under+"├─", under+"│ ", paints)
		}
	}
}

func (c *Client) row(l layout, i *item, lead string, paints colours) {
	service := paints.of(i.Service)
	if most := l.label / maxTreeShare; cellWidth(lead) > most {
		r := []rune(lead)
		lead = "…" + string(r[len(r)-most+1:])
	}
	mark, text := label(i)
	style := severityStyle(i.Severity)
	if i.failed() {
		style = errorStyle
	}
	offset := fmt.Sprintf("%*s", l.offset, "+"+short(i.Time.Sub(l.from)))
	head := faint(offset) + " " + paint(service, fit(clean(i.Service), l.service)) + " " + faint(lead)
	room := l.label - cellWidth(lead)
	if i.Type != correlate.TypeSpan && cellWidth(mark+text) > room {
		// A long line of text needs the place more than its dot does.
		all := room + l.bar + l.took + 2
		c.printf("%s\n", head+paint(style, strings.TrimRight(fit(mark+text, all), " ")))
		return
	}
	body := paint(style, fit(mark+text, room))
	if i.Type != correlate.TypeSpan {
		c.printf("%s\n", strings.TrimRight(head+body+" "+l.dot(i, paints), " "))
		return
	}
	barStyle := service
	if i.failed() {
		barStyle = errorStyle
	}
	took := fmt.Sprintf("%*s", l.took, short(time.Duration(i.DurationNS)))
	c.printf("%s\n", head+body+" "+l.barOf(i, func(s string) string { return paint(barStyle, s) })+" "+took)
}

// label returns the sign and the text of an item.
func label(i *item) (mark, text string) {
	text = clean(i.Text)
	switch i.Type {
	case correlate.TypeSpan:
		if message, _ := i.Attributes[correlate.AttrStatusMessage].(string); message != "" {
			text += ": " + clean(message)
		}
		if i.failed() {
			return "✗ ", text
		}
		return "", text
	case correlate.TypeEvent:
		return "◆ ", text
	case correlate.TypeExemplar:
		return "◇ ", text
	}
	if i.Severity == "" {
		return "· ", text
	}
	return strings.ToUpper(i.Severity) + " ", text
}

// cell returns the cell of the axis in which t is.
func (l layout) cell(t time.Time) int {
	if l.span <= 0 {
		return 0
	}
	n := int(float64(t.Sub(l.from)) / float64(l.span) * float64(l.bar))
	return min(max(n, 0), l.bar-1)
}

func (l layout) barOf(i *item, paint func(string) string) string {
	start := l.cell(i.Time)
	length := 1
	if l.span > 0 {
		length = int(math.Round(float64(i.DurationNS) / float64(l.span) * float64(l.bar)))
	}
	length = min(max(length, 1), l.bar-start)
	full := "█"
	if i.DurationNS == 0 {
		full = "▏"
	}
	return strings.Repeat(" ", start) + paint(strings.Repeat(full, length)) + strings.Repeat(" ", l.bar-start-length)
}

func (l layout) dot(i *item, paints colours) string {
	style, sign := paints.of(i.Service), "•"
	if s := severityStyle(i.Severity); s.GetBold() {
		style, sign = s, "×"
	}
	return strings.Repeat(" ", l.cell(i.Time)) + paint(style, sign)
}
