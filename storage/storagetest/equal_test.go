package storagetest

import (
	"slices"
	"testing"

	"github.com/clewhq/clew/telemetry"
)

// TestDiffLogsSees changes one field after the other; each change must show.
func TestDiffLogsSees(t *testing.T) {
	want := NewGen(1).Logs(10).Logs
	if d := DiffLogs(slices.Clone(want), want); d != "" {
		t.Fatal(d)
	}
	for name, change := range map[string]func(*telemetry.Log){
		"time":     func(l *telemetry.Log) { l.Time++ },
		"observed": func(l *telemetry.Log) { l.Observed++ },
		"trace":    func(l *telemetry.Log) { l.TraceID[3]++ },
		"span":     func(l *telemetry.Log) { l.SpanID[3]++ },
		"flags":    func(l *telemetry.Log) { l.Flags++ },
		"dropped":  func(l *telemetry.Log) { l.Dropped++ },
		"severity": func(l *telemetry.Log) { l.Severity++ },
		"text":     func(l *telemetry.Log) { l.SeverityText += "x" },
		"event":    func(l *telemetry.Log) { l.EventName += "x" },
		"body":     func(l *telemetry.Log) { l.Body = telemetry.Array([]telemetry.Value{l.Body}) },
		"attrs":    func(l *telemetry.Log) { l.Attrs = append(slices.Clip(l.Attrs), telemetry.Attr{Key: "new"}) },
		"stream": func(l *telemetry.Log) {
			r := l.Stream.Resource
			r.SchemaURL += "x"
			l.Stream = telemetry.NewStream(r, l.Stream.Scope)
		},
	} {
		got := slices.Clone(want)
		change(&got[4])
		if DiffLogs(got, want) == "" {
			t.Errorf("a change of %s is not seen", name)
		}
	}
	if DiffLogs(want[1:], want) == "" || DiffLogs(append(slices.Clone(want), want[3]), want) == "" {
		t.Error("a missing or doubled record is not seen")
	}
}

func TestDiffSpansSees(t *testing.T) {
	want := NewGen(2).Spans(30).Spans
	i := slices.IndexFunc(want, func(s telemetry.Span) bool { return len(s.Events) > 0 && len(s.Links) > 0 })
	for name, change := range map[string]func(*telemetry.Span){
		"end":     func(s *telemetry.Span) { s.End++ },
		"parent":  func(s *telemetry.Span) { s.ParentID[0]++ },
		"kind":    func(s *telemetry.Span) { s.Kind++ },
		"status":  func(s *telemetry.Span) { s.Status++ },
		"message": func(s *telemetry.Span) { s.StatusMessage += "x" },
		"state":   func(s *telemetry.Span) { s.TraceState += "x" },
		"name":    func(s *telemetry.Span) { s.Name += "x" },
		"counts":  func(s *telemetry.Span) { s.DroppedLinks++ },
		"event": func(s *telemetry.Span) {
			s.Events = slices.Clone(s.Events)
			s.Events[0].Dropped++
		},
		"link": func(s *telemetry.Span) {
			s.Links = slices.Clone(s.Links)
			s.Links[0].Flags++
		},
	} {
		got := slices.Clone(want)
		change(&got[i])
		if DiffSpans(got, want) == "" {
			t.Errorf("a change of %s is not seen", name)
		}
	}
}

// TestGenIsDeterministic: a seed is enough to replay a failure.
func TestGenIsDeterministic(t *testing.T) {
	a, b := NewGen(7), NewGen(7)
	if !slices.Equal(a.Logs(50).Raw, b.Logs(50).Raw) || !slices.Equal(a.Spans(50).Raw, b.Spans(50).Raw) {
		t.Error("the same seed makes other records")
	}
}
