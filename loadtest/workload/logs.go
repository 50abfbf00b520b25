package workload

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// entry is what a service has to say, before it is written in its format.
type entry struct {
	time     int64
	level    Severity
	message  string
	trace    TraceID
	span     SpanID
	request  string
	order    string
	duration time.Duration
	method   string
	path     string
	status   int64
	failure  *failure
}

// logServed writes the line with which a service ends its work.
func (b *builder) logServed(ep *endpoint, at int, now int64, f *failure) {
	span := &b.story.Spans[at]
	e := b.entry(span, now, Info, ep.message, f)
	e.duration = time.Duration(now - span.Start)
	if f != nil {
		e.level, e.message = Error, ep.message+" failed"
	}
	if ep.service == "gateway" {
		e.message, e.method, e.path, e.status = "", ep.method, ep.path(b.story.OrderID), httpStatus(f)
	}
	b.write(span.Service, e)
	if ep.service == "payment" {
		b.audit(span.Service, now, f)
	}
}

// logLine writes a line in the middle of the span at.
func (b *builder) logLine(at int, now int64, level Severity, message string, f *failure) {
	span := &b.story.Spans[at]
	b.write(span.Service, b.entry(span, now, level, message, f))
}

func (b *builder) entry(span *Span, now int64, level Severity, message string, f *failure) entry {
	return entry{
		time: now, level: level, message: message, trace: span.Trace, span: span.ID,
		request: b.story.RequestID, order: b.story.OrderID, failure: f,
	}
}

// audit is the line of a part of the payment service that is older than
// tracing: it knows the request's ID and nothing else, and only in its text.
func (b *builder) audit(service int, now int64, f *failure) {
	outcome := "captured"
	if f != nil {
		outcome = "refused"
	}
	b.story.Logs = append(b.story.Logs, Log{
		Service: service, Time: now + 1000, Severity: Info,
		Body: fmt.Sprintf("AUDIT charge outcome=%s request=%s order=%s", outcome, b.story.RequestID, b.story.OrderID),
	})
}

// write appends an entry as its service writes it.
func (b *builder) write(service int, e entry) {
	l := Log{
		Service: service, Time: e.time, Trace: e.trace, Span: e.span,
		Severity: e.level, Body: Services[service].format(e),
	}
	switch Services[service].Language {
	case "cpp": // the proxy's access log knows IDs as text only
		l.Trace, l.Span = TraceID{}, SpanID{}
		if strings.Contains(l.Body, e.trace.String()) {
			l.Told = e.trace
		}
		l.Attrs = append(l.Attrs, Attr{"log.file.name", "access.log"})
	case "go", "nodejs":
		l.Attrs = append(l.Attrs, Attr{"request.id", e.request})
		if e.order != "" {
			l.Attrs = append(l.Attrs, Attr{"order.id", e.order})
		}
	}
	if e.failure != nil && e.level == Error && e.message != "" {
		l.Attrs = append(l.Attrs,
			Attr{"exception.type", e.failure.kind},
			Attr{"exception.message", e.failure.message},
			Attr{"exception.stacktrace", e.failure.stack()})
	}
	b.story.Logs = append(b.story.Logs, l)
}

// finishLogs sorts the story's records, cuts or fills them up to the number
// that is asked for, and numbers them.
func (w *Workload) finishLogs(b *builder, start int64) {
	s := b.story
	slices.SortStableFunc(s.Logs, func(a, b Log) int { return compare(a.Time, b.Time) })
	filler := s.Index % 2
	if n := w.cfg.Logs; n > 0 {
		quota := (s.Index+1)*n/w.requests - s.Index*n/w.requests
		if w.cfg.Mix {
			lines := mixShare(s.Index+1, n, w.requests) - mixShare(s.Index, n, w.requests)
			w.addLines(s, start, min(lines, quota))
			quota -= min(lines, quota)
		}
		s.Logs = s.Logs[:min(len(s.Logs), quota)]
		filler = quota - len(s.Logs)
	}
	w.fillBackground(s, start, filler)
	seq := int64(s.Index) * logSeqStride
	for _, logs := range [][]Log{s.Logs, s.Background} {
		for i := range logs {
			logs[i].Seq = seq
			logs[i].Attrs = append(logs[i].Attrs, Attr{"loadtest.seq", seq})
			seq++
		}
	}
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// backgroundLines are what services say without a request: a format with two
// numbers.
var backgroundLines = []string{
	"cache stats hits=%d misses=%d",
	"gc pause %d us, heap %d KiB",
	"connection pool: %d idle, %d in use",
	"health check passed in %d us, %d checks",
	"flushed %d metrics in %d us",
}

// fillBackground adds n records that belong to no request.
func (w *Workload) fillBackground(s *Story, start int64, n int) {
	r := w.rng(saltBackground, uint64(s.Index))
	for range n {
		service := 1 + r.IntN(len(Services)-1) // the gateway writes access lines only
		e := entry{
			time: start + r.Int64N(w.slot), level: Info,
			message: fmt.Sprintf(backgroundLines[r.IntN(len(backgroundLines))], r.IntN(5000), r.IntN(900000)),
		}
		if r.IntN(4) == 0 {
			e.level = Debug
		}
		s.Background = append(s.Background, Log{
			Service: service, Time: e.time, Severity: e.level, Body: Services[service].format(e),
		})
	}
}
