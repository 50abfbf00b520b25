package otlp_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// again decodes a request with a decoder that has others behind it, and whose
// bytes are overwritten afterwards, as far as that may be: streams are kept.
func again[T any](t *testing.T, raw []byte, decode func([]byte) ([]T, error), want []T, stream func(*T) *telemetry.Stream) {
	t.Helper()
	mine := bytes.Clone(raw)
	got, err := decode(mine)
	if err != nil {
		t.Fatalf("in used memory: %v", err)
	}
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Fatalf("decoded in used memory (-want +got):\n%s", diff)
	}
	streams := make([]*telemetry.Stream, len(got))
	for i := range got {
		streams[i] = stream(&got[i])
	}
	for i := range mine {
		mine[i] = 0xff
	}
	for i, s := range streams {
		fresh := telemetry.NewStream(s.Resource, s.Scope)
		if s.ID != stream(&want[i]).ID || fresh.ID != s.ID || fresh.Service != s.Service {
			t.Fatalf("stream %d changed with the request's bytes", i)
		}
	}
}

func spansAgain(t *testing.T, d *otlp.Decoder, raw []byte, want []telemetry.Span) {
	t.Helper()
	again(t, raw, func(b []byte) ([]telemetry.Span, error) {
		batch, _, err := d.Spans(b)
		if err != nil {
			return nil, err
		}
		return batch.Spans, nil
	}, want, func(s *telemetry.Span) *telemetry.Stream { return s.Stream })
}

func logsAgain(t *testing.T, d *otlp.Decoder, raw []byte, want []telemetry.Log) {
	t.Helper()
	again(t, raw, func(b []byte) ([]telemetry.Log, error) {
		batch, _, err := d.Logs(b)
		if err != nil {
			return nil, err
		}
		return batch.Logs, nil
	}, want, func(l *telemetry.Log) *telemetry.Stream { return l.Stream })
}

// TestUsedMemory: requests of all sizes, good and cut short, one behind the
// other in the same memory come out as pdata reads them.
func TestUsedMemory(t *testing.T) {
	d := otlp.NewDecoder()
	for seed := range uint64(60) {
		ld, td := newDice(seed).logs(), newDice(seed).traces()
		logs, spans := marshalLogs(t, ld), marshalTraces(t, td)
		if n := len(logs); n > 0 {
			_, _, _ = d.Logs(logs[:int(seed)%n]) // what a bad request leaves behind must not show
		}
		logsAgain(t, d, logs, wantLogs(ld))
		spansAgain(t, d, spans, wantSpans(td))
		if seed%7 == 0 {
			d.Release()
			d = otlp.NewDecoder()
		}
	}
}

// FuzzUsedMemory: two requests of any bytes behind each other in the same
// memory, the second one equal to what it is in memory of its own.
func FuzzUsedMemory(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(marshalLogs(f, newDice(seed).logs()), marshalLogs(f, newDice(seed+1).logs()))
		f.Add(marshalTraces(f, newDice(seed).traces()), marshalTraces(f, newDice(seed+1).traces()))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var d otlp.Decoder
		_, _, _ = d.Logs(first)
		_, _, _ = d.Spans(first)
		if logs, err := otlp.DecodeLogs(second); err == nil {
			logsAgain(t, &d, second, logs.Logs)
		}
		if spans, err := otlp.DecodeSpans(second); err == nil {
			spansAgain(t, &d, second, spans.Spans)
		}
	})
}

// TestStreamsAreRemembered: requests of the same resources share streams, and
// a decoder that saw very many forgets them.
func TestStreamsAreRemembered(t *testing.T) {
	attr := func(v string) []byte {
		return field(1, field(1, []byte("service.name")), field(2, field(1, []byte(v))))
	}
	request := func(v string) []byte { return field(1, field(1, attr(v)), field(2, field(2))) }
	var d otlp.Decoder
	stream := func(v string) *telemetry.Stream {
		b, _, err := d.Logs(request(v))
		if err != nil || len(b.Logs) != 1 || b.Logs[0].Stream.Service != v {
			t.Fatalf("%q: %v, %v", v, b, err)
		}
		return b.Logs[0].Stream
	}
	first := stream("cart")
	if stream("stock") == first || stream("cart") != first {
		t.Error("a stream is not the one of its resource")
	}
	for i := range 1100 {
		stream("many" + string(rune('a'+i%26)) + string(rune('a'+i/26)))
	}
	if stream("cart") == first {
		t.Error("a decoder remembers every stream that it ever saw")
	}
}

func BenchmarkDecoder(b *testing.B) {
	logs, spans := marshalLogs(b, benchLogs()), marshalTraces(b, benchTraces())
	b.Run("logs", func(b *testing.B) {
		b.SetBytes(int64(len(logs)))
		b.ReportAllocs()
		for b.Loop() {
			d := otlp.NewDecoder()
			if _, _, err := d.Logs(logs); err != nil {
				b.Fatal(err)
			}
			d.Release()
		}
	})
	b.Run("spans", func(b *testing.B) {
		b.SetBytes(int64(len(spans)))
		b.ReportAllocs()
		for b.Loop() {
			d := otlp.NewDecoder()
			if _, _, err := d.Spans(spans); err != nil {
				b.Fatal(err)
			}
			d.Release()
		}
	})
}
