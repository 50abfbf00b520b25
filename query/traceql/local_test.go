package traceql

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/query/traceql/traceqltest"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openLocal opens the embedded store in a directory. The caller closes it.
func openLocal(t *testing.T, dir string) *local.Store {
	t.Helper()
	cfg := local.DefaultConfig()
	cfg.Dir = dir
	store, err := local.Open(cfg, local.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// fillLocal writes spans to the embedded store, by way of the wire, in two
// requests whose traces overlap.
func fillLocal(t *testing.T, store storage.Store, spans []telemetry.Span) {
	t.Helper()
	var halves [2][]telemetry.Span
	for i := range spans {
		halves[i%2] = append(halves[i%2], spans[i])
	}
	for _, half := range halves {
		batch, err := otlp.DecodeSpans(otlp.AppendSpans(nil, half))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.WriteSpans(context.Background(), "t", batch); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeptOverLocal: with the embedded store, too, a question that is asked
// again is answered from memory, and no longer once a span comes.
func TestKeptOverLocal(t *testing.T) {
	store := openLocal(t, t.TempDir())
	defer store.Close()
	all := rainOf(t, 200)
	fillLocal(t, store, all[:60])
	e := New(DefaultConfig(), store, nil, nil)
	ask := func() (string, PlanInfo) {
		res := askRange(t, e, "{ } | rate() by (name)", 0, 100*time.Second, time.Second, 0)
		return strings.Join(seriesAnswer(res), "\n"), res.Explain.Plans[0]
	}
	first, _ := ask()
	again, plan := ask()
	if again != first || plan.KnownSlices != plan.Slices || plan.Slices == 0 {
		t.Errorf("%+v, want all to be known, and the same answer", plan)
	}
	fillLocal(t, store, all[60:])
	if third, plan := ask(); plan.KnownSlices == plan.Slices || third == first {
		t.Errorf("%+v, want the new spans to be read", plan)
	}
}

// TestTagsWithinRange: a resource whose spans are before and after a range is
// not of it, though they stand in the same part of the store.
func TestTagsWithinRange(t *testing.T) {
	store := openLocal(t, t.TempDir())
	defer store.Close()
	spans, err := traceqltest.Parse(`trace 1
  span a1 service=around start=1s
  span b1 service=around start=9s
  span c1 service=always resource.zone=eu start=1s
  span d1 service=always resource.zone=eu start=5s
  span e1 service=always resource.zone=eu start=9s
  span f1 service=within resource.host.name=h start=4s
  span 01 service=earlier resource.k=v start=1s`)
	if err != nil {
		t.Fatal(err)
	}
	fillLocal(t, store, spans)
	e := newEngine(store)
	base := traceqltest.Base.UnixNano()
	req := TagsRequest{Tenant: "t", From: base + 4e9, To: base + 6e9}
	values, err := e.TagValues(context.Background(), req, syntax.Attribute{Scope: syntax.ScopeResource, Name: telemetry.AttrServiceName})
	if err != nil {
		t.Fatal(err)
	}
	var services []string
	for _, v := range values.Values {
		services = append(services, v.Text())
	}
	if got := fmt.Sprint(services); got != "[always within]" {
		t.Errorf("services: %s", got)
	}
	names, err := e.TagNames(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(names.Scopes[syntax.ScopeResource]); got != "[host.name service.name zone]" {
		t.Errorf("names: %s", got)
	}
}

// TestTagLimit: which names and values a limit leaves does not depend on the
// order of the spans.
func TestTagLimit(t *testing.T) {
	store := openLocal(t, t.TempDir())
	defer store.Close()
	spans, err := traceqltest.Parse(`trace 3
  span a1 service=z span.c=3 span.b=z start=3s
trace 2
  span a1 service=y span.b=y start=2s
trace 1
  span a1 service=x span.a=1 span.b=x start=1s`)
	if err != nil {
		t.Fatal(err)
	}
	fillLocal(t, store, spans)
	e := newEngine(store)
	names, err := e.TagNames(context.Background(), TagsRequest{Tenant: "t", Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(names.Scopes[syntax.ScopeSpan]); got != "[a b]" || len(names.Warnings) != 1 {
		t.Errorf("names: %s, %q", got, names.Warnings)
	}
	values, err := e.TagValues(context.Background(), TagsRequest{Tenant: "t", Limit: 2}, syntax.Attribute{Scope: syntax.ScopeSpan, Name: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if len(values.Values) != 2 || values.Values[0].Text() != "x" || values.Values[1].Text() != "y" || len(values.Warnings) != 1 {
		t.Errorf("values: %v, %q", values.Values, values.Warnings)
	}
}
