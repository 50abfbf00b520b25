package otlp_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// TestPick: single records come out as they do with the whole request.
func TestPick(t *testing.T) {
	var p otlp.Picker
	for seed := range uint64(50) {
		logs, err := otlp.DecodeLogs(marshalLogs(t, newDice(seed).logs()))
		if err != nil {
			t.Fatal(err)
		}
		places := otlp.Places(nil, logs.Raw)
		if len(places) != len(logs.Logs) {
			t.Fatalf("seed %d: %d places of %d log records", seed, len(places), len(logs.Logs))
		}
		for i := len(places) - 1; i >= 0; i-- {
			var l telemetry.Log
			if err := p.Log(&l, logs.Raw, places[i], logs.Logs[i].Stream); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(logs.Logs[i], l, compare); d != "" {
				t.Fatalf("seed %d, log record %d: %s", seed, i, d)
			}
		}
		spans, err := otlp.DecodeSpans(marshalTraces(t, newDice(seed).traces()))
		if err != nil {
			t.Fatal(err)
		}
		places = otlp.Places(places[:0], spans.Raw)
		if len(places) != len(spans.Spans) {
			t.Fatalf("seed %d: %d places of %d spans", seed, len(places), len(spans.Spans))
		}
		for i := range places {
			var s telemetry.Span
			if err := p.Span(&s, spans.Raw, places[i], spans.Spans[i].Stream); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(spans.Spans[i], s, compare); d != "" {
				t.Fatalf("seed %d, span %d: %s", seed, i, d)
			}
		}
	}
}

// TestPickAnywhere: a place where no record begins is an error or garbage,
// and never a crash.
func TestPickAnywhere(t *testing.T) {
	raw := marshalTraces(t, newDice(1).traces())
	var p otlp.Picker
	for i := range len(raw) + 2 {
		_ = p.Log(new(telemetry.Log), raw, uint32(i), nil)
		_ = p.Span(new(telemetry.Span), raw, uint32(i), nil)
	}
}
