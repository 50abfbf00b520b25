package servicemap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// mark is a log record that carries an ID.
type mark struct {
	time    int64
	service int32
	failed  bool
	trace   telemetry.TraceID
	record  int32 // tells records apart
}

// logSteps follows IDs through log records, for services that send no spans.
type logSteps struct {
	b        *builder
	untraced map[int32]bool
	names    map[string]bool   // of the same; not written to while the store reads
	marks    map[string][]mark // by ID
	joins    map[string]bool   // IDs that some record says are a request's
	scratch  []correlation.ID
	records  int32
}

// logEdges returns the calls of services without spans that log records with
// the same request, correlation or trace ID tell of: the record that is a
// service's first of the ID was caused by the one before it. Without such
// services nothing is read.
func (e *Engine) logEdges(ctx context.Context, q Query, b *builder) ([]Edge, error) {
	s := &logSteps{b: b, untraced: map[int32]bool{}, names: map[string]bool{}, marks: map[string][]mark{}, joins: map[string]bool{}}
	for name := range b.known {
		if i := b.service(name); !b.spans(i) {
			s.untraced[i], s.names[name] = true, true
		}
	}
	if len(s.untraced) == 0 || e.cfg.MaxLogs == 0 {
		return nil, nil
	}
	// First what the services without spans say; the others' records matter
	// only where they carry the same IDs.
	if err := e.readLogs(ctx, q, s, true); err != nil || len(s.marks) == 0 {
		return nil, err
	}
	if err := e.readLogs(ctx, q, s, false); err != nil {
		return nil, err
	}
	return s.edges(e.cfg), nil
}

// readLogs reads the records of the services without spans, or of all others.
func (e *Engine) readLogs(ctx context.Context, q Query, s *logSteps, untraced bool) error {
	var stats storage.ReadStats
	lq := storage.LogQuery{Tenant: q.Tenant, From: q.From, To: q.To, Columns: storage.ColBody | storage.ColAttrs | storage.ColSeverity, Stats: &stats,
		Stream: func(st *telemetry.Stream) bool { return s.names[calls.ServiceOf(st)] == untraced }}
	for batch, err := range e.reader.Logs(ctx, lq) {
		if errors.Is(err, storage.ErrBudget) {
			s.b.warnings = append(s.b.warnings, err.Error())
			return nil
		}
		if err != nil {
			return fmt.Errorf("read logs: %w", err)
		}
		for i := range batch {
			s.log(&batch[i], !untraced)
		}
		if int(s.records) > e.cfg.MaxLogs {
			s.b.warnings = append(s.b.warnings, fmt.Sprintf("more than %d log records in the range: edges that only logs tell of may be missing", e.cfg.MaxLogs))
			return nil
		}
	}
	s.b.warnings = append(s.b.warnings, stats.Warnings...)
	return nil
}

// log notes the IDs of a record, or only those that are noted already.
func (s *logSteps) log(l *telemetry.Log, knownOnly bool) {
	s.records++
	sev := l.Severity
	if sev == 0 {
		sev = telemetry.ParseSeverity(l.SeverityText)
	}
	m := mark{l.Time, s.b.service(calls.ServiceOf(l.Stream)), sev >= telemetry.SeverityError, l.TraceID, s.records}
	s.scratch = correlation.AppendLog(s.scratch[:0], l)
	for _, id := range s.scratch {
		if !id.Kind.Joins() && id.Kind != correlation.Token {
			continue
		}
		if _, known := s.marks[id.Value]; knownOnly && !known {
			continue
		}
		s.marks[id.Value] = append(s.marks[id.Value], m)
		if id.Kind.Joins() {
			s.joins[id.Value] = true
		}
	}
}

// requests returns the records that belong together, each once and in order:
// those that share an ID, and those that share another one with them.
func (s *logSteps) requests(most int) [][]mark {
	parent := map[int32]int32{}
	var root func(int32) int32
	root = func(i int32) int32 {
		p, ok := parent[i]
		if !ok || p == i {
			return i
		}
		p = root(p)
		parent[i] = p
		return p
	}
	byRecord := map[int32]mark{}
	for id, marks := range s.marks {
		if !s.joins[id] || len(marks) < 2 || len(marks) > most {
			continue
		}
		for _, m := range marks {
			byRecord[m.record] = m
			if a, b := root(marks[0].record), root(m.record); a != b {
				parent[max(a, b)] = min(a, b)
			}
		}
	}
	groups := map[int32][]mark{}
	for record, m := range byRecord {
		r := root(record)
		groups[r] = append(groups[r], m)
	}
	out := make([][]mark, 0, len(groups))
	for _, g := range groups {
		if len(g) <= most {
			slices.SortFunc(g, func(a, b mark) int {
				return cmp.Or(cmp.Compare(a.time, b.time), strings.Compare(s.b.names.Node(a.service).ID, s.b.names.Node(b.service).ID))
			})
			out = append(out, g)
		}
	}
	return out
}

// edges adds the steps up: from every record to the next one, where that is its
// service's first of the request.
func (s *logSteps) edges(cfg Config) []Edge {
	tallies := map[edgeKey]*calls.Tally{}
	for _, marks := range s.requests(cfg.MaxLogsPerID) {
		seen := map[int32]bool{marks[0].service: true}
		for i := 1; i < len(marks); i++ {
			from, to := marks[i-1], marks[i]
			if seen[to.service] {
				continue
			}
			seen[to.service] = true
			if s.untraced[to.service] {
				s.step(tallies, from, to, cfg.SampleTraces)
			}
		}
	}
	var out []Edge
	for k, t := range tallies {
		out = append(out, Edge{Source: s.b.names.Node(k.source).ID, Target: s.b.names.Node(k.target).ID, Protocol: calls.ProtocolUnknown,
			Calls: int(t.Calls), Errors: int(t.Errors), Evidence: EvidenceLogs, SampleTraceIDs: traceIDs(t)})
	}
	slices.SortFunc(out, func(a, b Edge) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Target, b.Target))
	})
	return out
}

// step counts a call, also for the service that was called.
func (s *logSteps) step(tallies map[edgeKey]*calls.Tally, from, to mark, samples int) {
	edge := calls.TallyOf(tallies, edgeKey{source: from.service, target: to.service})
	for _, t := range []*calls.Tally{edge, s.b.node(to.service)} {
		t.Calls++
		t.Weight++
		if to.failed {
			t.Errors++
		}
	}
	if trace := cmp.Or(to.trace, from.trace); !trace.IsZero() {
		edge.Samples = calls.Keep(edge.Samples, calls.Sample{Trace: trace, Failed: to.failed}, samples)
	}
}
