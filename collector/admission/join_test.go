package admission_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/internal/fake"
	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

const (
	joinTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	joinSpan  = "00f067aa0ba902b7"
)

// The fake store refuses a batch whose bytes do not decode to its records, so
// every test here holds that a restart gives the same records back.
func TestLogsGetTheContextThatTheirTextTells(t *testing.T) {
	now := (&fake.Clock{}).Now().UnixNano()
	own := telemetry.TraceID{15: 7}
	logs := []telemetry.Log{
		{Time: now, Body: telemetry.String("trace_id=" + joinTrace + " span_id=" + joinSpan), Attrs: strs(2, 1)},
		{Time: now, Body: telemetry.String("nothing to see")},
		{Time: now, TraceID: own, Body: telemetry.String("trace_id=" + joinTrace)},
		{Time: now, Attrs: telemetry.Attrs{{Key: "traceId", Value: telemetry.String(joinTrace)}}},
		{Time: now, SpanID: telemetry.SpanID{9}, Body: telemetry.String("trace_id=" + joinTrace + " span_id=" + joinSpan)},
		{Time: now, Body: telemetry.String(`"00-` + joinTrace + `-` + joinSpan + `-01"`)},
	}
	r := newRoom(nil)
	if _, err := r.gate.Logs(t.Context(), "test", otlp.AppendLogs(nil, logs)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		joinTrace + " " + joinSpan + " body, trace_id", "  ", own.String() + "  ", joinTrace + "  ",
		joinTrace + " 0900000000000000 body, trace_id", joinTrace + " " + joinSpan + " body, traceparent",
	}
	got := r.store.Logs()
	for i, l := range got {
		if s := l.TraceID.String() + " " + l.SpanID.String() + " " + l.Attrs.Text(correlation.AttrJoined); s != want[i] {
			t.Errorf("record %d: %q, want %q", i, s, want[i])
		}
	}
	r.metric(t, "clew_collector_joined_records_total", `
# HELP clew_collector_joined_records_total Log records that came without a trace ID and got the one that stands in their attributes or text.
# TYPE clew_collector_joined_records_total counter
clew_collector_joined_records_total 4
`)
}

func TestJoiningCanBeTurnedOff(t *testing.T) {
	r := newRoom(func(c *admission.Config) { c.JoinTraceContext = false })
	logs := []telemetry.Log{{Time: (&fake.Clock{}).Now().UnixNano(), Body: telemetry.String("trace_id=" + joinTrace)}}
	if _, err := r.gate.Logs(t.Context(), "test", otlp.AppendLogs(nil, logs)); err != nil {
		t.Fatal(err)
	}
	if l := r.store.Logs()[0]; !l.TraceID.IsZero() || len(l.Attrs) > 0 {
		t.Errorf("joined all the same: %+v", l)
	}
}

// Whatever else is wrong with a batch, what is joined is joined, and the same
// request sent again is the same request.
func TestJoiningBesideRejectionsAndMissingTimes(t *testing.T) {
	now := (&fake.Clock{}).Now().UnixNano()
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var logs []telemetry.Log
		joined, kept := 0, 0
		for i := range 1 + rng.IntN(40) {
			stream := telemetry.NewStream(telemetry.Resource{Attrs: telemetry.Attrs{{Key: "service.name", Value: telemetry.String(fmt.Sprint("s", rng.IntN(3)))}}}, telemetry.Scope{})
			l := telemetry.Log{Stream: stream, Time: now + int64(i), Body: telemetry.String(fmt.Sprint("line ", i))}
			context, tooLarge := rng.IntN(2) == 0, rng.IntN(10) == 0 && seed%2 == 0
			if context {
				l.Body = telemetry.String(fmt.Sprintf("line %d trace_id=%032x", i, i+1))
			}
			if rng.IntN(8) == 0 && seed%3 == 0 {
				l.Time = 0
			}
			if tooLarge {
				l.Attrs = strs(300, 1)
			} else {
				kept++
				if context {
					joined++
				}
			}
			logs = append(logs, l)
		}
		r := newRoom(nil)
		raw := otlp.AppendLogs(nil, logs)
		for again := range 2 {
			out, err := r.gate.Logs(t.Context(), "test", append([]byte(nil), raw...))
			if err != nil || out.Duplicate != (again == 1 && kept > 0) {
				t.Fatalf("seed %d, time %d: duplicate %v, %v", seed, again, out.Duplicate, err)
			}
		}
		found := 0
		for _, l := range r.store.Logs() {
			if !l.TraceID.IsZero() {
				found++
				if want := fmt.Sprintf(" trace_id=%s", l.TraceID); l.Body.Str()[len(l.Body.Str())-len(want):] != want {
					t.Fatalf("seed %d: %q got the trace %s", seed, l.Body.Str(), l.TraceID)
				}
			}
		}
		if found != joined || len(r.store.Logs()) != kept {
			t.Fatalf("seed %d: %d of %d records joined, want %d of %d", seed, found, len(r.store.Logs()), joined, kept)
		}
	}
}

func BenchmarkJoin(b *testing.B) {
	now := (&fake.Clock{}).Now().UnixNano()
	var logs []telemetry.Log
	for i := range 1000 {
		logs = append(logs, telemetry.Log{Time: now, Body: telemetry.String(fmt.Sprintf("ts=2031-03-01T10:11:12Z level=info msg=%q request_id=req-%x trace_id=%032x span_id=%016x", "order placed", i, i+1, i+1))})
	}
	raw := otlp.AppendLogs(nil, logs)
	for _, on := range []bool{false, true} {
		b.Run(fmt.Sprint("join=", on), func(b *testing.B) {
			r := newRoom(func(c *admission.Config) { c.JoinTraceContext = on })
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if err := r.gate.AdmitOnly(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
