package servicemap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	promstorage "github.com/prometheus/prometheus/storage"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry/calls"
)

// stepsOf are the lengths, in minutes, of the steps by which the store is asked
// for calls, the longest first, each with the shortest window that shows no
// steps of this length. Sums of most segments nest in all but the last.
var stepsOf = []struct {
	minutes int64
	window  time.Duration
}{{60, 10 * time.Hour}, {30, 5 * time.Hour}, {10, 100 * time.Minute}, {1, 0}}

// callSteps returns how many minutes the steps may have in which calls are asked
// for, 0 where they have to be told from the spans: metrics of the spans
// themselves have their names, and steps may be shorter than a store adds up.
func (q *querier) callSteps(hints *promstorage.SelectHints, names []string) int64 {
	spans := slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, prefixSpanMetrics) })
	if !q.e.adds() || spans || minuteMillis%q.step != 0 {
		return 0
	}
	window := int64(0)
	if hints != nil {
		window = hints.Range
		if hints.End-hints.Start <= hints.Range {
			window *= 10 // asked for once: nothing moves along the steps
		}
	}
	for _, s := range stepsOf {
		if window >= s.window.Milliseconds() {
			return s.minutes
		}
	}
	return 0
}

const minuteMillis = int64(time.Minute / time.Millisecond)

// addUp asks the store for the calls in steps of so many minutes.
func (q *querier) addUp(ctx context.Context, minutes int64) (*counters, []string, error) {
	adder, _ := q.e.reader.(storage.CallReader)
	const milli = int64(time.Millisecond)
	var stats storage.ReadStats
	steps, err := adder.CallSteps(ctx, storage.CallQuery{Tenant: q.tenant, From: q.from * milli, To: q.to * milli, Rules: q.e.cfg.Rules(),
		MaxSpans: q.e.cfg.MaxSpans, Stats: &stats}, minutes)
	if err != nil {
		return nil, nil, fmt.Errorf("add calls up: %w", err)
	}
	c := newCounters(steps.Range, q)
	for first, t := range steps.Of {
		end := min((first+minutes)*minuteMillis, q.to)
		n := max(end-1-q.from, 0) / q.step // it grows at its end
		for k, tally := range t.Calls {
			if to := c.edge(k.Source, k.Target); to != nil {
				c.addTally(to, n, tally)
			}
		}
	}
	return c, stats.Warnings, nil
}

// addTally counts calls in the n-th step.
func (c *counters) addTally(to counter, n int64, t *calls.Tally) {
	s := c.step(to, n)
	s.calls += int(t.Calls)
	s.failed += int(t.Errors)
	t.Durations.Each(func(dur, times int64) {
		seconds := time.Duration(dur).Seconds()
		s.seconds += seconds * float64(times)
		s.buckets[c.bucket(seconds)] += int(times)
	})
}
