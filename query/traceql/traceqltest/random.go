package traceqltest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// RandomSpans makes traces with everything that queries look at, from few
// values, so that queries hit.
func RandomSpans(r *rand.Rand) []telemetry.Span {
	var b strings.Builder
	for trace := 1; trace <= 1+r.IntN(8); trace++ {
		fmt.Fprintf(&b, "trace %x\n", trace)
		n := 1 + r.IntN(8)
		for i := 1; i <= n; i++ {
			fmt.Fprintf(&b, "span %x service=s%d name=n%d start=%dms duration=%dms", i, r.IntN(3), r.IntN(3), trace*10+r.IntN(40), r.IntN(20))
			if i > 1 || r.IntN(4) == 0 {
				fmt.Fprintf(&b, " parent=%x", 1+r.IntN(n+1)) // may be missing, itself or in a circle
			}
			fmt.Fprintf(&b, " kind=%s status=%s", PickOne(r, "server", "client", "internal"), PickOne(r, "unset", "ok", "error"))
			if r.IntN(2) == 0 {
				fmt.Fprintf(&b, " span.a=%s", PickOne(r, "1", "2", "2.5", `"x"`, "true", "[1,2]", `["x","y"]`))
			}
			if r.IntN(2) == 0 {
				fmt.Fprintf(&b, " resource.a=%s", PickOne(r, "1", `"x"`, "3"))
			}
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, " scope=lib%d", r.IntN(2))
			}
			b.WriteByte('\n')
			for range r.IntN(3) {
				fmt.Fprintf(&b, "event e%d at=%dms a=%d\n", r.IntN(2), r.IntN(9), r.IntN(3))
			}
			if r.IntN(4) == 0 {
				fmt.Fprintf(&b, "link trace=%x span=1 a=%d\n", 1+r.IntN(4), r.IntN(3))
			}
		}
	}
	spans, err := Parse(b.String())
	if err != nil {
		panic(err) // the test writes its own input
	}
	r.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
	return spans
}

// PickOne returns one of some texts.
func PickOne(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// RandomCondition is a condition on spans, of others that are joined to a depth.
func RandomCondition(r *rand.Rand, depth int) string {
	if depth > 0 && r.IntN(2) == 0 {
		l, rr := RandomCondition(r, depth-1), RandomCondition(r, depth-1)
		switch r.IntN(5) {
		case 0:
			return "!(" + l + ")"
		case 1, 2:
			return "(" + l + ") || (" + rr + ")"
		}
		return "(" + l + ") && (" + rr + ")"
	}
	return PickOne(r,
		"name = `n1`", "name != `n0`", "name =~ `n[01]`", "kind = server", "status = error", "status != ok",
		"duration > 5ms", "duration >= 10ms", "duration < 8ms", "10ms < duration",
		"resource.service.name = `s0`", "resource.service.name != `s1`", "resource.service.name =~ `s[12]`",
		"resource.a = 1", "resource.a = nil", "span.a != nil", "span.a = 2", "span.a > 1", "span.a + 1 = 3", ".a = `x`", ".a != 1",
		"event.a = 1", "event:name = `e1`", "event:timeSinceStart > 4ms", "link.a = 2", "link:traceID = `2`",
		"instrumentation:name = `lib1`", "nestedSetParent < 0", "nestedSetParent = -1", "nestedSetParent >= 0", "nestedSetParent > 1",
		"span:childCount > 1", "rootName = `n1`", "rootServiceName = `s0`", "traceDuration > 20ms",
		"trace:id = `2`", "span:id = `3`", "span:parentID = `1`", "parent.a = 1", "parent.resource.service.name = `s0`", "true", "false",
	)
}

// RandomMetrics is a metrics query of spans that single spans answer.
func RandomMetrics(r *rand.Rand) string {
	function := PickOne(r, "rate()", "count_over_time()", "quantile_over_time(duration, .5, .9)", "histogram_over_time(duration)", "min_over_time(duration)",
		"max_over_time(duration)", "avg_over_time(duration)", "sum_over_time(duration)", "sum_over_time(span.a)", "quantile_over_time(span.a, .9)", "max_over_time(.a)",
		"count_over_time() by (name)", "rate() by (resource.service.name, status)", "avg_over_time(duration) by (span.a)", "quantile_over_time(duration, .9) by (kind, .a)",
		"histogram_over_time(duration) by (instrumentation:name)", "rate() by (duration)")
	return "{ " + RandomCondition(r, 2) + " } | " + function
}
