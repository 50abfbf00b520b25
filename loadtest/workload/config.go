package workload

import (
	"fmt"
	"time"
)

// Config says how much workload there is and when it happened.
type Config struct {
	// Seed decides everything but the times.
	Seed uint64
	// Requests is how many customer requests there are. Each is one trace,
	// a checkout two: shipping works in a trace of its own.
	Requests int
	// Spans, if not zero, sets Requests to as many as it takes to reach so
	// many spans.
	Spans int
	// Logs is how many log records there are. Zero means as many as the
	// services write by themselves.
	Logs int
	// Mix replaces three of ten log records by real lines, where Lines has any.
	Mix bool
	// Lines are what Mix takes lines from.
	Lines []LineSource
	// End is the end of the window in which everything happened.
	End time.Time
	// Window is how long that window is.
	Window time.Duration
	// MetricStep is the time between two points of a metric.
	MetricStep time.Duration
}

const (
	// storyMargin is kept free at the end of the window, so that even a slow
	// request with its work in the background ends inside it.
	storyMargin = 8 * time.Second
	// minWindow leaves room for that margin and some requests before it.
	minWindow = 20 * time.Second
	// maxLogsPerRequest keeps log numbers of one request apart from those of
	// the next, see Log.Seq.
	maxLogsPerRequest = logSeqStride / 2
	// maxMetricSteps bounds the points of one series.
	maxMetricSteps = 20000
)

// DefaultConfig is a quarter of an hour of the shop that ended at end.
func DefaultConfig(end time.Time) Config {
	return Config{
		Seed: 1, Requests: 1000, End: end,
		Window: 15 * time.Minute, MetricStep: 15 * time.Second,
	}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	switch {
	case c.Requests < 1 && c.Spans < 1:
		return fmt.Errorf("requests is %d and spans is %d: one of them must be at least 1", c.Requests, c.Spans)
	case c.Logs < 0:
		return fmt.Errorf("logs is %d: must not be negative", c.Logs)
	case c.Mix && c.Logs == 0:
		return fmt.Errorf("mix without a number of logs: say how many there are in all")
	case c.Mix && len(c.Lines) == 0:
		return fmt.Errorf("mix without lines: say where real log lines are")
	case c.Window < minWindow:
		return fmt.Errorf("window is %s: must be at least %s", c.Window, minWindow)
	case c.End.IsZero():
		return fmt.Errorf("end of the window is not set")
	case c.MetricStep < time.Second:
		return fmt.Errorf("metric step is %s: must be at least 1s", c.MetricStep)
	case c.Window/c.MetricStep > maxMetricSteps:
		return fmt.Errorf("metric step is %s in a window of %s: more than %d points a series", c.MetricStep, c.Window, maxMetricSteps)
	}
	return nil
}
