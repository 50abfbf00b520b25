package servicemap_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/loadtest/workload"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/telemetry"
)

// known is a workload whose map is known, as spans of its services.
func known(t *testing.T, seed uint64, requests int) (*workload.Workload, []telemetry.Span) {
	t.Helper()
	cfg := workload.DefaultConfig(correlatetest.Epoch.Add(time.Hour))
	cfg.Seed, cfg.Requests = seed, requests
	var spans []telemetry.Span
	w := made(t, cfg, func(s []telemetry.Span) { spans = append(spans, s...) })
	return w, spans
}

// made makes a workload and yields the spans of one request after the other.
func made(t testing.TB, cfg workload.Config, yield func([]telemetry.Span)) *workload.Workload {
	t.Helper()
	w, err := workload.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	streams := map[int]*telemetry.Stream{}
	for i := range w.Requests() {
		var spans []telemetry.Span
		for _, s := range w.Story(i).Spans {
			if streams[s.Service] == nil {
				streams[s.Service] = telemetry.NewStream(telemetry.Resource{Attrs: attrsOf(w.Resource(s.Service))}, telemetry.Scope{})
			}
			sp := telemetry.Span{Stream: streams[s.Service], TraceID: telemetry.TraceID(s.Trace), SpanID: telemetry.SpanID(s.ID), ParentID: telemetry.SpanID(s.Parent),
				Name: s.Name, Kind: telemetry.SpanKind(s.Kind), Start: s.Start, End: s.End, Attrs: attrsOf(s.Attrs)}
			for _, l := range s.Links {
				sp.Links = append(sp.Links, telemetry.Link{TraceID: telemetry.TraceID(l.Trace), SpanID: telemetry.SpanID(l.Span)})
			}
			if s.Failed {
				sp.Status = telemetry.StatusError
			}
			spans = append(spans, sp)
		}
		yield(spans)
	}
	return w
}

func attrsOf(in []workload.Attr) telemetry.Attrs {
	var out telemetry.Attrs
	for _, a := range in {
		switch v := a.Value.(type) {
		case int64:
			out = append(out, telemetry.Attr{Key: a.Key, Value: telemetry.Int(v)})
		case string:
			out = append(out, telemetry.Attr{Key: a.Key, Value: telemetry.String(v)})
		}
	}
	return out
}

func truthOf(w *workload.Workload) string {
	var out []string
	for _, e := range w.Truth().Edges {
		out = append(out, fmt.Sprintf("%s -> %s %s calls=%d errors=%d", e.Source, e.Target, e.Protocol, e.Calls, e.Errors))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// edgesOf renders a map's edges as truthOf does, without the user in front.
func edgesOf(m *servicemap.Map) string {
	var out []string
	for _, e := range m.Edges {
		if e.Source != "user" {
			out = append(out, fmt.Sprintf("%s -> %s %s calls=%d errors=%d", e.Source, e.Target, e.Protocol, e.Calls, e.Errors))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func mapOfSpans(t *testing.T, spans []telemetry.Span) *servicemap.Map {
	t.Helper()
	s := correlatetest.New()
	s.AddSpans(tenant, spans...)
	return mapOf(t, plain{s}, servicemap.Query{Tenant: tenant, From: correlatetest.Epoch.UnixNano(), To: correlatetest.Epoch.Add(2 * time.Hour).UnixNano()})
}

// The map is the truth, however the spans came: in any order, some of them
// twice, in pieces from several collectors, an hour late (which is an order,
// too, since a map is made of what is stored).
func TestTheMapIsTheTruth(t *testing.T) {
	for seed := range uint64(6) {
		w, spans := known(t, seed+1, 150)
		want := truthOf(w)
		rng := rand.New(rand.NewPCG(seed, 9))
		for name, change := range map[string]func([]telemetry.Span) []telemetry.Span{
			"as they were made": func(s []telemetry.Span) []telemetry.Span { return s },
			"shuffled": func(s []telemetry.Span) []telemetry.Span {
				rng.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
				return s
			},
			"some twice": func(s []telemetry.Span) []telemetry.Span {
				for range len(s) / 3 {
					s = append(s, s[rng.IntN(len(s))])
				}
				return s
			},
			"an hour late": func(s []telemetry.Span) []telemetry.Span { // the servers' spans come behind all others
				slices.SortStableFunc(s, func(a, b telemetry.Span) int { return int(a.Kind) - int(b.Kind) })
				return s
			},
			"over three collectors": func(s []telemetry.Span) []telemetry.Span {
				var parts [3][]telemetry.Span
				for _, sp := range s {
					i := rng.IntN(3)
					parts[i] = append(parts[i], sp)
				}
				return slices.Concat(parts[2], parts[0], parts[1])
			},
		} {
			if got := edgesOf(mapOfSpans(t, change(slices.Clone(spans)))); got != want {
				t.Fatalf("seed %d, %s:\n%s\nwant\n%s", seed, name, got, want)
			}
		}
	}
}

// Without its roots a trace's other calls are what they were.
func TestTheMapWithoutRoots(t *testing.T) {
	w, spans := known(t, 3, 200)
	roots := map[telemetry.SpanID]bool{}
	rootService := map[string]bool{}
	for _, s := range spans {
		if s.ParentID.IsZero() && s.Kind == telemetry.SpanKindServer {
			roots[s.SpanID] = true
			rootService[s.Stream.Service] = true
		}
	}
	spans = slices.DeleteFunc(spans, func(s telemetry.Span) bool { return roots[s.SpanID] })
	m := mapOfSpans(t, spans)
	if got, want := edgesOf(m), truthOf(w); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	told := 0
	for _, u := range m.Unpaired {
		if u.Reason == servicemap.ReasonParent && rootService[u.Service] {
			told += u.Spans
		}
	}
	if told == 0 {
		t.Errorf("the roots are not told as missing: %+v", m.Unpaired)
	}
}
