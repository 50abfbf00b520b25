package admission_test

import (
	"errors"
	"testing"
	"time"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// line is a line of a file as an agent sends it.
func line(file string, offset int64, at int64, text string) telemetry.Log {
	return telemetry.Log{
		Stream: telemetry.NewStream(telemetry.Resource{Attrs: telemetry.Attrs{{Key: "host.name", Value: telemetry.String("h")}}}, telemetry.Scope{}),
		Time:   at, Observed: at + 5, Body: telemetry.String(text),
		Attrs: telemetry.Attrs{
			{Key: "log.file.path", Value: telemetry.String(file)}, {Key: "log.file.record_offset", Value: telemetry.Int(offset)},
		},
	}
}

func (r room) send(t *testing.T, logs ...telemetry.Log) admission.Outcome {
	t.Helper()
	out, err := r.gate.Logs(t.Context(), "test", otlp.AppendLogs(nil, logs))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLinesThatComeAgainAreStoredOnce(t *testing.T) {
	r := newRoom(nil)
	now := r.clock.Now().UnixNano()
	a, b, c := line("/a.log", 0, now, "a"), line("/a.log", 2, now, "b"), line("/a.log", 4, now, "c")
	r.send(t, a, b)
	b.Observed, c.Observed = now+77, now+78 // read again, later
	if out := r.send(t, b, c); out.Rejected != 0 {
		t.Errorf("rejected: %s", out.Message())
	}
	r.send(t, a, b, c)
	var texts string
	for _, l := range r.store.Logs() {
		texts += l.Body.Str()
	}
	if texts != "abc" {
		t.Errorf("stored %q", texts)
	}
	r.metric(t, "clew_collector_repeated_lines_total", `
# HELP clew_collector_repeated_lines_total Lines of files that came again in another request and were not stored again.
# TYPE clew_collector_repeated_lines_total counter
clew_collector_repeated_lines_total 4
`)
}

func TestLinesThatOnlyLookAlikeAreKept(t *testing.T) {
	now := newRoom(nil).clock.Now().UnixNano()
	base := line("/a.log", 0, now, "x")
	for name, change := range map[string]func(*telemetry.Log){
		"other text":   func(l *telemetry.Log) { l.Body = telemetry.String("y") },
		"other time":   func(l *telemetry.Log) { l.Time++ },
		"other offset": func(l *telemetry.Log) { *l = line("/a.log", 1, now, "x") },
		"other file":   func(l *telemetry.Log) { *l = line("/b.log", 0, now, "x") },
		"other host":   func(l *telemetry.Log) { l.Stream = telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{}) },
		"no offset":    func(l *telemetry.Log) { l.Attrs = l.Attrs[:1] },
	} {
		r := newRoom(nil)
		other := base
		change(&other)
		r.send(t, base)
		r.send(t, other)
		if n := len(r.store.Logs()); n != 2 {
			t.Errorf("%s: %d stored, want 2", name, n)
		}
	}
	r := newRoom(nil)
	timeless := line("/a.log", 9, 0, "no time")
	timeless.Observed = now
	for range 2 { // twice in one request, and without a time of its own
		r.send(t, base, base, timeless)
		r.clock.Move(time.Minute)
	}
	if n := len(r.store.Logs()); n != 4 {
		t.Errorf("%d stored, want the first two and each without a time", n)
	}
	if _, err := r.gate.Logs(tenant.With(t.Context(), "other"), "test", otlp.AppendLogs(nil, []telemetry.Log{base})); err != nil {
		t.Fatal(err)
	}
	if n := len(r.store.LogsOf("other")); n != 1 {
		t.Errorf("%d stored of another tenant, want 1", n)
	}
}

func TestOriginsAreForgotten(t *testing.T) {
	r := newRoom(func(c *admission.Config) { c.OriginRecords = 4 })
	now := r.clock.Now().UnixNano()
	for i := range int64(10) {
		r.send(t, line("/a.log", i, now, "x"))
	}
	r.send(t, line("/a.log", 9, now, "x"))
	if n := len(r.store.Logs()); n != 10 {
		t.Errorf("%d stored, want 10: the last is remembered", n)
	}
	r.send(t, line("/a.log", 0, now, "x"), line("/a.log", 99, now, "x"))
	if n := len(r.store.Logs()); n != 12 {
		t.Errorf("%d stored, want 12: the first is forgotten", n)
	}
	off := newRoom(func(c *admission.Config) { c.OriginRecords = 0 })
	off.send(t, line("/a.log", 0, now, "x"))
	off.send(t, line("/a.log", 0, now, "x"), line("/a.log", 1, now, "x"))
	if n := len(off.store.Logs()); n != 3 {
		t.Errorf("%d stored where it is off, want 3", n)
	}
}

func TestWhatWasNotStoredIsNotRemembered(t *testing.T) {
	r := newRoom(nil)
	now := r.clock.Now().UnixNano()
	r.store.Fail(errors.New("broken"))
	if _, err := r.gate.Logs(t.Context(), "test", otlp.AppendLogs(nil, []telemetry.Log{line("/a.log", 0, now, "x")})); err == nil {
		t.Fatal("stored by a broken store")
	}
	r.store.Fail(nil)
	r.send(t, line("/a.log", 0, now, "x"), line("/a.log", 2, now, "y"))
	if n := len(r.store.Logs()); n != 2 {
		t.Errorf("%d stored, want 2", n)
	}
}
