package correlate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/telemetry"
)

// kindOrder breaks ties between the kinds an ID was seen as.
var kindOrder = []correlation.Kind{correlation.TraceID, correlation.RequestID, correlation.CorrelationID, correlation.TransactionID,
	correlation.OrderID, correlation.MessageID, correlation.SessionID, correlation.UserID, correlation.SpanID}

// kind returns what the question's ID is: what most records say, and a token
// only where none says more.
func (g *gather) kind() correlation.Kind {
	best, most := correlation.Token, 0
	for _, k := range kindOrder {
		if g.kinds[k] > most {
			best, most = k, g.kinds[k]
		}
	}
	return best
}

// answer puts together what was gathered.
func (g *gather) answer() *Answer {
	g.order[0].Kind = g.kind()
	a := &Answer{ID: g.id, Kind: string(g.kind()), Partial: g.partial, Warnings: append([]string{}, g.warnings...)}
	for i, id := range g.order {
		if i == g.cfg.MaxListed {
			a.Truncated = true
			break
		}
		a.IDs = append(a.IDs, FoundID{ID: id.Value, Kind: string(id.Kind), Via: id.via})
	}
	a.Services = g.services()
	a.Edges = g.edges()
	a.Traces = g.traceList()
	traces := g.byTrace()
	skew := findSkews(traces)
	a.CriticalPath = criticalPath(traces, skew, g.cfg.MaxListed)
	a.ClockSkew = skew.list
	a.Missing = g.missing(traces, g.cfg.MaxListed)
	a.Timeline = g.timeline(skew)
	return a
}

func service(s *telemetry.Stream) string {
	if s == nil {
		return telemetry.UnknownService
	}
	return s.Service
}

func at(ns int64) time.Time { return time.Unix(0, ns).UTC() }

func isErrorLog(l *telemetry.Log) bool {
	sev := l.Severity
	if sev == 0 {
		sev = telemetry.ParseSeverity(l.SeverityText)
	}
	return sev >= telemetry.SeverityError
}

// services counts by service, in the order in which they came in.
func (g *gather) services() []Service {
	byName := map[string]*Service{}
	see := func(name string, from, to int64) *Service {
		s := byName[name]
		if s == nil {
			s = &Service{Name: name, First: at(from), Last: at(to)}
			byName[name] = s
		}
		if t := at(from); t.Before(s.First) {
			s.First = t
		}
		if t := at(to); t.After(s.Last) {
			s.Last = t
		}
		return s
	}
	for i := range g.spans {
		sp := &g.spans[i]
		s := see(service(sp.Stream), sp.Start, max(sp.Start, sp.End))
		s.Spans++
		if sp.Status == telemetry.StatusError {
			s.Errors++
		}
	}
	for i := range g.logs {
		l := &g.logs[i]
		s := see(service(l.Stream), l.Time, l.Time)
		s.Logs++
		if isErrorLog(l) {
			s.Errors++
		}
	}
	out := make([]Service, 0, len(byName))
	for _, s := range byName {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Service) int {
		return cmp.Or(a.First.Compare(b.First), strings.Compare(a.Name, b.Name))
	})
	return out
}

// traceList summarises the traces, the earliest first.
func (g *gather) traceList() []Trace {
	type span = telemetry.Span
	byID := map[telemetry.TraceID][]*span{}
	for i := range g.spans {
		s := &g.spans[i]
		byID[s.TraceID] = append(byID[s.TraceID], s)
	}
	out := make([]Trace, 0, len(byID))
	for id, spans := range byID {
		root, end := rootOf(spans), spans[0].End
		start := spans[0].Start
		t := Trace{TraceID: id.String(), RootService: service(root.Stream), RootName: root.Name, Spans: len(spans)}
		for _, s := range spans {
			start, end = min(start, s.Start), max(end, s.End, s.Start)
			if s.Status == telemetry.StatusError {
				t.Errors++
			}
		}
		t.Start, t.DurationNS = at(start), end-start
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Trace) int {
		return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.TraceID, b.TraceID))
	})
	return out
}

// rootOf returns the span without a parent; where none has none, the earliest
// of those whose parent was not received.
func rootOf(spans []*telemetry.Span) *telemetry.Span {
	known := make(map[telemetry.SpanID]bool, len(spans))
	for _, s := range spans {
		known[s.SpanID] = true
	}
	rank := func(s *telemetry.Span) int {
		switch {
		case s.ParentID.IsZero():
			return 0
		case !known[s.ParentID]:
			return 1
		}
		return 2
	}
	return slices.MinFunc(spans, func(a, b *telemetry.Span) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End), cmp.Compare(a.Name, b.Name))
	})
}

// finish sorts the timeline, notes its range and cuts it to limit entries.
func finish(a *Answer, limit int) {
	for i, e := range a.Timeline {
		end := e.Time.Add(time.Duration(e.DurationNS))
		if i == 0 || e.Time.Before(a.Range.From) {
			a.Range.From = e.Time
		}
		if i == 0 || end.After(a.Range.To) {
			a.Range.To = end
		}
	}
	slices.SortStableFunc(a.Timeline, compareEntries)
	if len(a.Timeline) > limit {
		a.Timeline = a.Timeline[:limit]
		a.Truncated = true
	}
}

// compareEntries orders by time; at the same time what contains comes before
// what is contained.
func compareEntries(a, b Entry) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(typeRank(a.Type), typeRank(b.Type)), cmp.Compare(b.DurationNS, a.DurationNS),
		strings.Compare(a.Service, b.Service), strings.Compare(a.SpanID, b.SpanID), strings.Compare(a.Text, b.Text))
}

func typeRank(t string) int {
	switch t {
	case TypeSpan:
		return 0
	case TypeEvent:
		return 1
	case TypeLog:
		return 2
	}
	return 3
}
