package coverage

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

type spanKey struct {
	trace telemetry.TraceID
	span  telemetry.SpanID
}

// row is what is kept of a span.
type row struct {
	spanKey
	parent  telemetry.SpanID
	start   int64
	service *Figures
	peer    string // who a client's call was for, by name
}

// count gathers the figures of services.
type count struct {
	services map[string]*Figures
	logged   map[spanKey]bool // spans that have log records
	spans    []row
}

func (c *count) of(s *telemetry.Stream) *Figures {
	name := telemetry.UnknownService
	if s != nil {
		name = s.Service
	}
	return c.named(name)
}

func (c *count) named(name string) *Figures {
	f := c.services[name]
	if f == nil {
		f = &Figures{}
		c.services[name] = f
	}
	return f
}

func (c *count) add(s *telemetry.Span) {
	r := row{spanKey: spanKey{s.TraceID, s.SpanID}, parent: s.ParentID, start: s.Start, service: c.of(s.Stream)}
	if s.Kind == telemetry.SpanKindClient {
		for _, key := range []string{"peer.service", "server.address", "net.peer.name"} {
			if r.peer = s.Attrs.Text(key); r.peer != "" {
				break
			}
		}
	}
	c.spans = append(c.spans, r)
}

// pair looks at the spans trace by trace.
func (c *count) pair(total *Figures) {
	slices.SortFunc(c.spans, func(a, b row) int {
		return cmp.Or(bytes.Compare(a.trace[:], b.trace[:]), cmp.Compare(a.start, b.start), bytes.Compare(a.span[:], b.span[:]))
	})
	for i := 0; i < len(c.spans); {
		end := i + 1
		for end < len(c.spans) && c.spans[end].trace == c.spans[i].trace {
			end++
		}
		c.trace(c.spans[i:end], total)
		i = end
	}
}

func (c *count) trace(rows []row, total *Figures) {
	stored, called := map[telemetry.SpanID]bool{}, map[telemetry.SpanID]bool{}
	services, missing := map[*Figures]bool{}, map[*Figures]bool{}
	rooted := false
	for i := range rows {
		stored[rows[i].span] = true
		called[rows[i].parent] = true
	}
	for i := range rows {
		r := &rows[i]
		r.service.Spans++
		services[r.service] = true
		if c.logged[r.spanKey] {
			r.service.SpansWithLogs++
		}
		if r.parent.IsZero() {
			rooted = true
		} else if !stored[r.parent] {
			missing[r.service] = true
		}
		if r.peer != "" && !called[r.span] {
			c.unanswered(r)
		}
	}
	for f := range services {
		f.Traces++
	}
	for f := range missing {
		f.TracesWithMissingParents++
	}
	total.Traces++
	if len(missing) > 0 {
		total.TracesWithMissingParents++
	}
	if !rooted {
		rows[0].service.TracesWithoutRoot++
		total.TracesWithoutRoot++
	}
}

// unanswered counts a call without an answer, where the one that was called is
// a service that sends anything at all.
func (c *count) unanswered(r *row) {
	short, _, _ := strings.Cut(r.peer, ".")
	for _, name := range []string{r.peer, short} {
		if f := c.services[name]; f != nil && f != r.service {
			f.CallsUnanswered++
			return
		}
	}
}
