package workload

import (
	"cmp"
	"slices"
)

// Edge is an edge of the map with what went over it.
type Edge struct {
	Source, Target string
	Protocol       Protocol
	Calls, Errors  int64
}

// Truth is what a server must hold once all of the workload was sent.
type Truth struct {
	Requests, Traces, Spans, Logs, Errors int
	SpansByService                        map[string]int
	LogsByService                         map[string]int
	// Edges are those of the map, sorted by source and target.
	Edges []Edge
	// Series are the metrics with all their points.
	Series []Series
	// Samples is how many points the series have.
	Samples int
}

// Truth plays the whole workload and adds it up.
func (w *Workload) Truth() *Truth {
	t := &Truth{Requests: w.requests, SpansByService: map[string]int{}, LogsByService: map[string]int{}}
	edges := map[Edge]*Edge{}
	m := newMeter(w)
	for i := range w.requests {
		s := w.Story(i)
		t.add(s)
		for _, c := range s.Calls {
			key := Edge{Source: c.Source, Target: c.Target, Protocol: c.Protocol}
			e := edges[key]
			if e == nil {
				e = &Edge{Source: c.Source, Target: c.Target, Protocol: c.Protocol}
				edges[key] = e
			}
			e.Calls++
			if c.Failed {
				e.Errors++
			}
		}
		m.add(s)
	}
	for _, e := range edges {
		t.Edges = append(t.Edges, *e)
	}
	slices.SortFunc(t.Edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Target, b.Target))
	})
	t.Series = m.finish()
	for i := range t.Series {
		t.Samples += len(t.Series[i].Points)
	}
	return t
}

func (t *Truth) add(s *Story) {
	t.Traces += len(s.Traces)
	t.Spans += len(s.Spans)
	t.Logs += len(s.Logs) + len(s.Background)
	for i := range s.Spans {
		t.SpansByService[Services[s.Spans[i].Service].Name]++
		if s.Spans[i].Failed {
			t.Errors++
		}
	}
	for _, logs := range [][]Log{s.Logs, s.Background} {
		for i := range logs {
			t.LogsByService[logs[i].ServiceName()]++
		}
	}
}
