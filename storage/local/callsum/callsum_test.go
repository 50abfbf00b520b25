package callsum_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/storage/local/callsum"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

var (
	rules = calls.DefaultRules()
	began = time.Date(2026, 5, 6, 7, 8, 9, 10, time.UTC).UnixNano()
)

func stream(name string) *telemetry.Stream {
	return telemetry.NewStream(telemetry.Resource{Attrs: telemetry.Attrs{
		{Key: "service.name", Value: telemetry.String(name)}, {Key: "service.namespace", Value: telemetry.String("shop")},
	}}, telemetry.Scope{})
}

// spans returns n traces in order, within some hours.
func spans(seed uint64, n int, hours float64) (out []telemetry.Span) {
	r := rand.New(rand.NewPCG(seed, 5))
	web, cart := stream("web"), stream("cart")
	for i := range n {
		trace := telemetry.TraceID{byte(i >> 8), byte(i), 1}
		at := began + r.Int64N(int64(hours*float64(time.Hour)))
		span := func(s *telemetry.Stream, id, parent byte, kind telemetry.SpanKind, after int64) *telemetry.Span {
			out = append(out, telemetry.Span{Stream: s, TraceID: trace, SpanID: telemetry.SpanID{id}, ParentID: telemetry.SpanID{parent}, Kind: kind,
				Start: at + after, End: at + after + r.Int64N(1e9), Status: telemetry.StatusCode(r.IntN(3))})
			return &out[len(out)-1]
		}
		span(web, 1, 0, telemetry.SpanKindServer, 0)
		span(web, 2, 1, telemetry.SpanKindClient, 1).TraceState = "ot=th:8"
		span(cart, 3, 2, telemetry.SpanKindServer, 2)
		if i%3 == 0 {
			span(cart, 4, 9, telemetry.SpanKindClient, 3).Attrs = telemetry.Attrs{{Key: "server.address", Value: telemetry.String("stock")}}
		}
	}
	return out
}

func build(t testing.TB, list []telemetry.Span) []byte {
	t.Helper()
	b := callsum.NewBuilder(rules)
	for i := range list {
		b.Add(&list[i], i/50)
	}
	out, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func parse(t testing.TB, b []byte) *callsum.Summary {
	t.Helper()
	s, err := callsum.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func none(telemetry.TraceID) bool { return false }

// text renders totals without what depends on the order of maps.
func text(t *calls.Totals) string {
	var out []string
	line := func(tally *calls.Tally, format string, args ...any) {
		out = append(out, fmt.Sprintf(format, args...)+fmt.Sprintf(" %d %d %g %d", tally.Calls, tally.Errors, tally.Weight, len(tally.Samples)))
	}
	name := func(i int32) string { return fmt.Sprint(t.Names.Node(i), t.Names.Space(i)) }
	for k, v := range t.Calls {
		line(v, "%s %s %s", name(k.Source), name(k.Target), name(k.Protocol))
	}
	for k, v := range t.Entries {
		line(v, "%s", name(k))
	}
	for k, v := range t.Odds {
		line(v, "%s %d", name(k.Service), k.Reason)
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// What is read of any minutes is what the spans that started in them tell.
func TestWindows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, hours := range []float64{0.01, 0.5, 5} {
		list := spans(uint64(10*hours), 400, hours)
		s := parse(t, build(t, list))
		if s.Rules != rules {
			t.Fatalf("rules %+v", s.Rules)
		}
		for i := range 40 {
			w := callsum.Window{From: calls.MinuteOf(began) + r.Int64N(int64(60*hours)+1)}
			w.To = w.From + r.Int64N(int64(60*hours)+120)
			w.From, w.To = w.From-w.From%s.Width, w.To-w.To%s.Width
			if i == 0 {
				w = callsum.Window{From: 0, To: 1 << 40}
			}
			got := calls.NewSteps(calls.NewNames(), 1, []int64{0, 30, 60}[i%3])
			if !got.Nests(s.Width) {
				continue
			}
			if err := s.AddTo(got, w, none); err != nil {
				t.Fatal(err)
			}
			if got.Minutes == 0 {
				sameTotals(t, list, got.Range, w.From, w.To)
			}
			n := 0
			for first, step := range got.Of {
				sameTotals(t, list, step, max(first, w.From), min(first+got.Minutes, w.To))
				n += len(step.Present)
			}
			if got.Minutes > 0 && w.From == 0 && n == 0 {
				t.Fatalf("no steps of %d minutes", got.Minutes)
			}
		}
	}
}

// sameTotals compares totals with what the spans of some minutes tell.
func sameTotals(t *testing.T, list []telemetry.Span, got *calls.Totals, from, to int64) {
	t.Helper()
	rows := calls.NewRows(calls.NewNames())
	for i := range list {
		rows.Add(&list[i], false)
	}
	want := calls.NewTotals(rows.Names, 1)
	want.Sum(rows, rules, from*calls.Minute, to*calls.Minute)
	for _, v := range want.Odds {
		v.Weight = float64(v.Calls)
	}
	if g, w := text(got), text(want); g != w {
		t.Fatalf("minutes %d to %d:\n%s\nwant\n%s", from, to, g, w)
	}
	if len(got.Present) != len(want.Present) {
		t.Fatalf("present %v, want %v", got.Present, want.Present)
	}
}

func TestTraces(t *testing.T) {
	list := spans(3, 500, 4)
	s := parse(t, build(t, list))
	want := map[uint32]int{}
	for i := range list {
		if h := calls.TraceHash(list[i].TraceID); i == 0 || list[i].TraceID != list[i-1].TraceID {
			want[h] = i / 50
		}
	}
	got := map[uint32]int{}
	if err := s.Traces(0, 1<<62, func(h uint32, block int) { got[h] = block }); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d traces, want %d", len(got), len(want))
	}
	n := 0
	if err := s.Traces(0, began, func(uint32, int) { n++ }); err != nil || n > 0 {
		t.Errorf("%d traces before the first, %v", n, err)
	}
}

func TestSamplesAreLeftOut(t *testing.T) {
	list := spans(4, 50, 0.1)
	s := parse(t, build(t, list))
	steps := calls.NewSteps(calls.NewNames(), 5, 0)
	got, all := steps.Range, callsum.Window{From: 0, To: 1 << 40}
	if err := s.AddTo(steps, all, func(telemetry.TraceID) bool { return true }); err != nil {
		t.Fatal(err)
	}
	for k, v := range got.Calls {
		if len(v.Samples) > 0 || v.Calls == 0 {
			t.Errorf("%v: %+v", k, v)
		}
	}
}

func TestEqual(t *testing.T) {
	list := spans(6, 300, 3)
	b := build(t, list)
	if err := callsum.Equal(b, build(t, list)); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func([]telemetry.Span){
		"an outcome": func(s []telemetry.Span) { s[7].Status = (s[7].Status + 1) % 3 },
		"a duration": func(s []telemetry.Span) { s[2].End += 1e9 },
		"a parent":   func(s []telemetry.Span) { s[1].ParentID[3]++ },
		"a start": func(s []telemetry.Span) {
			s[0].Start, s[0].End = s[0].Start-200*calls.Minute, s[0].End-200*calls.Minute
		},
		"a trace's ID": func(s []telemetry.Span) { s[0].TraceID[9]++ },
		"a service":    func(s []telemetry.Span) { s[0].Stream = stream("other") },
	} {
		other := slices.Clone(list)
		change(other)
		if callsum.Equal(b, build(t, other)) == nil {
			t.Errorf("%s differs, and nothing says so", name)
		}
	}
}

// Damage is an error or reads as something, but never more than that.
func FuzzRead(f *testing.F) {
	whole := build(f, spans(7, 60, 2))
	f.Add(whole)
	f.Add(build(f, spans(8, 3, 0.01)))
	f.Add(build(f, nil))
	r := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		b := slices.Clone(whole)
		b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
		f.Add(b)
	}
	for n := range 40 {
		f.Add(whole[:n*len(whole)/40])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := callsum.Parse(b)
		if err != nil {
			return
		}
		_ = s.Traces(-1<<63, 1<<62, func(uint32, int) {})
		w := callsum.Window{From: -1 << 40, To: 1 << 40, FirstSend: -1 << 40, LastSend: 1 << 40}
		_ = s.AddTo(calls.NewSteps(calls.NewNames(), 5, 0), w, none)
		w.To = calls.MinuteOf(began) + 7
		_ = s.AddTo(calls.NewSteps(calls.NewNames(), 5, 0), w, none)
	})
}
