package otlp_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// completed holds that completing a request's bytes is completing its records.
func completed(t *testing.T, raw []byte) {
	b, err := otlp.DecodeLogs(raw)
	if err != nil {
		return
	}
	add := func(i int) *otlp.LogContext {
		if i%3 == 1 {
			return nil
		}
		c := &otlp.LogContext{TraceID: telemetry.TraceID{15: byte(i + 1)}}
		if i%2 == 0 {
			c.SpanID = telemetry.SpanID{7: byte(i + 1)}
			c.Attrs = telemetry.Attrs{{Key: "where", Value: telemetry.String("body")}}
		}
		return c
	}
	out, err := otlp.CompleteLogs(raw, add)
	if err != nil {
		t.Fatal(err)
	}
	got, err := otlp.DecodeLogs(out)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Logs {
		l := &b.Logs[i]
		c := add(i)
		if c == nil {
			continue
		}
		l.TraceID = c.TraceID
		if !c.SpanID.IsZero() {
			l.SpanID = c.SpanID
		}
		l.Attrs = append(l.Attrs[:len(l.Attrs):len(l.Attrs)], c.Attrs...)
	}
	if diff := cmp.Diff(b.Logs, got.Logs, compare); diff != "" {
		t.Fatalf("completed records differ (-want +got):\n%s", diff)
	}
}

func TestCompleteLogs(t *testing.T) {
	for seed := range uint64(300) {
		completed(t, marshalLogs(t, dice{rand.New(rand.NewPCG(seed, 2))}.logs()))
	}
	if _, err := otlp.CompleteLogs([]byte{10, 200}, func(int) *otlp.LogContext { return nil }); err == nil {
		t.Error("a request that is cut short passes")
	}
}

func FuzzCompleteLogs(f *testing.F) {
	f.Add(marshalLogs(f, dice{rand.New(rand.NewPCG(1, 2))}.logs()))
	f.Add([]byte{10, 4, 18, 2, 18, 0})
	f.Fuzz(completed)
}
