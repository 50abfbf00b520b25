package traceqltest

import (
	"context"
	"testing"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

func TestParse(t *testing.T) {
	spans, err := Parse(`
trace 1
  span a service=front name="GET /" kind=server status=error message="no way" start=5ms duration=2s span.n=1 span.f=1.5 span.b=true span.l=["x",2] resource.r="y" scope=lib version=2 instrumentation.i=z
    event e at=1ms k="v"
    link trace=2 span=b k=3
  span b parent=a service=front resource.r="y" scope=lib version=2 instrumentation.i=z # the same stream
`)
	if err != nil || len(spans) != 2 {
		t.Fatalf("%d spans, %v", len(spans), err)
	}
	s := spans[0]
	if s.Name != "GET /" || s.Kind != telemetry.SpanKindServer || s.Status != telemetry.StatusError || s.StatusMessage != "no way" ||
		s.Start != Base.UnixNano()+5e6 || s.Duration() != 2e9 || s.Stream.Service != "front" || s.Stream.Scope.Version != "2" {
		t.Errorf("got %+v", s)
	}
	for key, kind := range map[string]telemetry.Kind{"n": telemetry.KindInt, "f": telemetry.KindDouble, "b": telemetry.KindBool, "l": telemetry.KindArray} {
		if v, ok := s.Attrs.Get(key); !ok || v.Kind() != kind {
			t.Errorf("%s: got %v", key, v.Text())
		}
	}
	if len(s.Events) != 1 || s.Events[0].Time != s.Start+1e6 || len(s.Links) != 1 || s.Links[0].TraceID != (telemetry.TraceID{15: 2}) {
		t.Errorf("got %+v", s)
	}
	if spans[1].Stream != s.Stream || spans[1].ParentID != s.SpanID {
		t.Error("spans of equal resource and scope must share a stream")
	}
	for _, bad := range []string{"nonsense", "trace x", "span x", "trace 1\nspan a start=x", "trace 1\nspan a foo=1", "event e", `trace 1` + "\n" + `span a name="x`} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

// TestColumns: what was not asked for is not there.
func TestColumns(t *testing.T) {
	spans, err := Parse("trace 1\nspan a name=x span.n=1\nevent e")
	if err != nil {
		t.Fatal(err)
	}
	store := &Store{Tenant: "t", All: spans}
	for c, want := range map[storage.Columns][3]bool{
		storage.ColAll: {true, true, true}, 0: {true, true, true}, storage.ColSpan: {true, false, false},
		storage.ColAttrs: {false, true, false}, storage.ColEvents: {false, false, true},
	} {
		for batch, err := range store.Spans(context.Background(), storage.SpanQuery{Tenant: "t", Columns: c}) {
			if err != nil {
				t.Fatal(err)
			}
			s := batch[0]
			if got := [3]bool{s.Name != "", len(s.Attrs) > 0, len(s.Events) > 0}; got != want {
				t.Errorf("columns %b: got %v, want %v", c, got, want)
			}
		}
	}
}
