package workload

import (
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testEnd = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newTest(t *testing.T, change func(*Config)) *Workload {
	t.Helper()
	cfg := DefaultConfig(testEnd)
	cfg.Requests = 400
	if change != nil {
		change(&cfg)
	}
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestSameSeedSameStories(t *testing.T) {
	a, b := newTest(t, nil), newTest(t, nil)
	for i := a.Requests() - 1; i >= 0; i-- {
		if diff := cmp.Diff(a.Story(i), b.Story(i)); diff != "" {
			t.Fatalf("story %d differs:\n%s", i, diff)
		}
	}
	if diff := cmp.Diff(a.Truth(), b.Truth()); diff != "" {
		t.Fatalf("truth differs:\n%s", diff)
	}
}

func TestOtherSeedOtherIDs(t *testing.T) {
	a := newTest(t, nil).Story(3)
	b := newTest(t, func(c *Config) { c.Seed = 2 }).Story(3)
	if a.RequestID == b.RequestID || a.SessionID == b.SessionID || a.Traces[0] == b.Traces[0] {
		t.Errorf("seeds 1 and 2 share IDs: %+v and %+v", a.Traces, b.Traces)
	}
}

// TestEndMovesTimesOnly holds that a run can be recognized whenever it was.
func TestEndMovesTimesOnly(t *testing.T) {
	later := newTest(t, func(c *Config) { c.End = testEnd.Add(time.Hour) })
	now := newTest(t, nil)
	for i := range 50 {
		a, b := now.Story(i), later.Story(i)
		for k := range a.Spans {
			x, y := a.Spans[k], b.Spans[k]
			if x.ID != y.ID || y.Start-x.Start != int64(time.Hour) || y.End-x.End != int64(time.Hour) {
				t.Fatalf("story %d, span %d: %v and %v", i, k, x, y)
			}
		}
	}
}

func TestIDsAreUnique(t *testing.T) {
	w := newTest(t, nil)
	seen := map[string]string{}
	note := func(id, what string) {
		if before, twice := seen[id]; twice {
			t.Fatalf("ID %s is of %s and of %s", id, before, what)
		}
		seen[id] = what
	}
	seqs := map[int64]bool{}
	for i := range w.Requests() {
		s := w.Story(i)
		note(s.RequestID, "a request")
		if s.OrderID != "" {
			note(s.OrderID, "an order")
		}
		for _, id := range s.Traces {
			note(id.String(), "a trace")
		}
		for k := range s.Spans {
			note(s.Spans[k].ID.String(), "a span")
		}
		for _, l := range append(s.Logs, s.Background...) {
			if seqs[l.Seq] || l.Seq/logSeqStride != int64(i) {
				t.Fatalf("log number %d of story %d is taken or out of place", l.Seq, i)
			}
			seqs[l.Seq] = true
		}
	}
}

// TestTracesAreTrees holds every span against its parent.
func TestTracesAreTrees(t *testing.T) {
	w := newTest(t, nil)
	for i := range w.Requests() {
		s := w.Story(i)
		byID, roots := map[SpanID]*Span{}, 0
		for k := range s.Spans {
			byID[s.Spans[k].ID] = &s.Spans[k]
		}
		for k := range s.Spans {
			sp := &s.Spans[k]
			if sp.End <= sp.Start || sp.Start < w.Start().UnixNano() || sp.End > w.End().UnixNano() {
				t.Fatalf("story %d: span %q runs from %d to %d", i, sp.Name, sp.Start, sp.End)
			}
			if sp.Parent.IsZero() {
				roots++
				continue
			}
			parent := byID[sp.Parent]
			switch {
			case parent == nil || parent.Trace != sp.Trace:
				t.Fatalf("story %d: span %q has no parent in its trace", i, sp.Name)
			case sp.Kind == Server && (parent.Kind != Client || parent.Service == sp.Service):
				t.Fatalf("story %d: server span %q has no client of another service", i, sp.Name)
			case sp.Kind == Consumer && parent.Kind != Producer:
				t.Fatalf("story %d: consumer span %q has no producer", i, sp.Name)
			case sp.Kind != Consumer && (sp.Start < parent.Start || sp.End > parent.End):
				t.Fatalf("story %d: span %q is not inside its parent %q", i, sp.Name, parent.Name)
			}
			if sp.Kind == Server && sp.Failed != parent.Failed {
				t.Fatalf("story %d: the two sides of %q disagree on failure", i, sp.Name)
			}
		}
		if roots != len(s.Traces) {
			t.Fatalf("story %d: %d roots, want one for each of %d traces", i, roots, len(s.Traces))
		}
	}
}

// TestEdgesFollowFromSpans derives the map from the spans alone, as a server
// has to, and wants the truth.
func TestEdgesFollowFromSpans(t *testing.T) {
	w := newTest(t, nil)
	got := map[Edge]Edge{}
	count := func(source, target string, p Protocol, failed bool) {
		key := Edge{Source: source, Target: target, Protocol: p}
		e := got[key]
		e.Calls++
		if failed {
			e.Errors++
		}
		got[key] = e
	}
	for i := range w.Requests() {
		s := w.Story(i)
		callee := map[SpanID]*Span{}
		for k := range s.Spans {
			callee[s.Spans[k].Parent] = &s.Spans[k]
		}
		for k := range s.Spans {
			sp := &s.Spans[k]
			source, target, protocol := nodesOf(sp, callee[sp.ID])
			if target != "" {
				count(source, target, protocol, sp.Failed)
			}
		}
	}
	truth := w.Truth()
	if len(truth.Edges) != len(got) {
		t.Errorf("%d edges, %d follow from the spans", len(truth.Edges), len(got))
	}
	errors := int64(0)
	for _, e := range truth.Edges {
		g := got[Edge{Source: e.Source, Target: e.Target, Protocol: e.Protocol}]
		if g.Calls != e.Calls || g.Errors != e.Errors {
			t.Errorf("edge %+v: %d calls and %d errors follow from the spans", e, g.Calls, g.Errors)
		}
		errors += e.Errors
	}
	if errors == 0 {
		t.Error("no edge has errors")
	}
}

// nodesOf reads the edge of a span from its attributes.
func nodesOf(sp, child *Span) (string, string, Protocol) {
	attrs := map[string]any{}
	for _, a := range sp.Attrs {
		attrs[a.Key] = a.Value
	}
	text := func(key string) string { s, _ := attrs[key].(string); return s }
	service := Services[sp.Service].Name
	switch {
	case text("db.system.name") != "":
		return service, NodeOfDatabase(text("db.system.name"), text("server.address"), text("db.namespace")), DB
	case sp.Kind == Producer:
		return service, NodeOfQueue(text("messaging.system"), text("messaging.destination.name")), Messaging
	case sp.Kind == Consumer:
		return NodeOfQueue(text("messaging.system"), text("messaging.destination.name")), service, Messaging
	case sp.Kind == Client && child != nil && text("rpc.system") != "":
		return service, Services[child.Service].Name, GRPC
	case sp.Kind == Client && child != nil:
		return service, Services[child.Service].Name, HTTP
	case sp.Kind == Client:
		return service, text("server.address"), HTTP
	}
	return "", "", ""
}

// TestEveryStoryHoldsTogether holds that all records of a story can be found
// from each of its IDs: every log line carries one, and every trace names the
// request.
func TestEveryStoryHoldsTogether(t *testing.T) {
	w := newTest(t, nil)
	textOnly := 0
	for i := range w.Requests() {
		s := w.Story(i)
		for _, l := range s.Logs {
			inText := strings.Contains(l.Body, s.RequestID)
			if l.Trace.IsZero() && !inText {
				t.Fatalf("story %d: line %q carries no ID", i, l.Body)
			}
			if l.Trace.IsZero() {
				textOnly++
			}
		}
		for _, l := range s.Background {
			if !l.Trace.IsZero() || strings.Contains(l.Body, s.RequestID) {
				t.Fatalf("story %d: background line %q carries an ID", i, l.Body)
			}
		}
		for k := range s.Spans {
			if s.Spans[k].Parent.IsZero() && !hasAttr(s.Spans[k].Attrs, "request.id", s.RequestID) {
				t.Fatalf("story %d: root %q does not name the request", i, s.Spans[k].Name)
			}
		}
	}
	if textOnly == 0 {
		t.Error("no line carries its ID in the text only")
	}
}

func hasAttr(attrs []Attr, key string, value any) bool {
	for _, a := range attrs {
		if a.Key == key && a.Value == value {
			return true
		}
	}
	return false
}

func TestEverythingOccurs(t *testing.T) {
	w := newTest(t, func(c *Config) { c.Requests = 2000 })
	truth := w.Truth()
	for _, s := range Services {
		if truth.SpansByService[s.Name] == 0 || truth.LogsByService[s.Name] == 0 {
			t.Errorf("service %s: %d spans, %d logs", s.Name, truth.SpansByService[s.Name], truth.LogsByService[s.Name])
		}
	}
	kinds, events, links, levels := map[Kind]int{}, 0, 0, map[Severity]int{}
	for i := range w.Requests() {
		s := w.Story(i)
		for _, sp := range s.Spans {
			kinds[sp.Kind]++
			events += len(sp.Events)
			links += len(sp.Links)
		}
		for _, l := range s.Logs {
			levels[l.Severity]++
		}
	}
	for _, k := range []Kind{Server, Client, Producer, Consumer} {
		if kinds[k] == 0 {
			t.Errorf("no span of kind %d", k)
		}
	}
	for _, l := range []Severity{Debug, Info, Warn, Error} {
		if levels[l] == 0 {
			t.Errorf("no line of level %s", l)
		}
	}
	if events == 0 || links == 0 || truth.Errors == 0 {
		t.Errorf("%d events, %d links, %d errors: want some of each", events, links, truth.Errors)
	}
}

func TestNumberOfLogs(t *testing.T) {
	for _, n := range []int{1, 399, 400, 5000, 100001} {
		truth := newTest(t, func(c *Config) { c.Logs = n }).Truth()
		if truth.Logs != n {
			t.Errorf("asked for %d logs, got %d", n, truth.Logs)
		}
		sum := 0
		for _, c := range truth.LogsByService {
			sum += c
		}
		if sum != n {
			t.Errorf("asked for %d logs, services have %d", n, sum)
		}
	}
}

func TestNumberOfSpans(t *testing.T) {
	w := newTest(t, func(c *Config) { c.Spans = 3000 })
	got := w.Truth().Spans
	last := len(w.Story(w.Requests() - 1).Spans)
	if got < 3000 || got-last >= 3000 {
		t.Errorf("asked for 3000 spans, got %d, %d of them from the last request", got, last)
	}
}

func TestMetricsAddUp(t *testing.T) {
	w := newTest(t, nil)
	truth := w.Truth()
	counts, orders, samples := map[string]uint64{}, 0.0, 0
	for _, s := range truth.Series {
		last := s.Points[len(s.Points)-1]
		samples += len(s.Points)
		if last.Time != w.End().UnixNano() {
			t.Errorf("series %s ends at %d, want %d", s.Name, last.Time, w.End().UnixNano())
		}
		switch s.Kind {
		case Histogram:
			counts[Services[s.Service].Name] += last.Count
			sum := uint64(0)
			for _, b := range last.Buckets {
				sum += b
			}
			if sum != last.Count || last.Sum <= 0 || math.IsNaN(last.Sum) {
				t.Errorf("series %s: %d in buckets, count %d, sum %v", s.Name, sum, last.Count, last.Sum)
			}
		case Counter:
			orders += last.Value
		}
	}
	served, placed := map[string]uint64{}, 0.0
	for i := range w.Requests() {
		for _, sp := range w.Story(i).Spans {
			switch sp.Kind {
			case Server, Consumer:
				served[Services[sp.Service].Name]++
			case Producer:
				placed++
			}
		}
	}
	if diff := cmp.Diff(served, counts); diff != "" {
		t.Errorf("spans and histograms disagree:\n%s", diff)
	}
	if orders != placed || samples != truth.Samples {
		t.Errorf("%v orders counted, %v placed; %d samples, %d said", orders, placed, samples, truth.Samples)
	}
}

func TestBadSettings(t *testing.T) {
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"no requests":    {func(c *Config) { c.Requests = 0 }, "requests is 0"},
		"negative logs":  {func(c *Config) { c.Logs = -1 }, "logs is -1"},
		"short window":   {func(c *Config) { c.Window = time.Second }, "window is 1s"},
		"no end":         {func(c *Config) { c.End = time.Time{} }, "end of the window"},
		"short step":     {func(c *Config) { c.MetricStep = 0 }, "metric step is 0s"},
		"too many steps": {func(c *Config) { c.Window = 1000 * time.Hour; c.MetricStep = time.Second }, "points a series"},
		"too many logs":  {func(c *Config) { c.Requests = 1; c.Logs = 100000 }, "at most 5000 a request"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig(testEnd)
			tt.change(&cfg)
			if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestIDForms(t *testing.T) {
	w := newTest(t, nil)
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	ulid := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{26}$`)
	for i := range 200 {
		s := w.Story(i)
		if !uuid.MatchString(s.RequestID) || !ulid.MatchString(s.SessionID) {
			t.Fatalf("request %q, session %q", s.RequestID, s.SessionID)
		}
	}
	for i := range Services {
		if !uuid.MatchString(w.InstanceID(i)) {
			t.Errorf("instance %q", w.InstanceID(i))
		}
	}
}
