package health

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

const milli = int64(time.Millisecond)

// errBudget ends the reading of metrics.
var errBudget = errors.New("the range has more samples than query.servicemap.health.max_samples: health is not whole, ask for a shorter range")

// point is a sample, at nanoseconds.
type point struct {
	at int64
	v  float64
}

// series is the samples of a series in the range; a stale marker is one, too.
type series struct {
	labels labels.Labels
	points []point
}

// stretch is a time during which something held. until is 0 where it does at
// the end of the range.
type stretch struct{ since, until int64 }

// metricsReader reads samples of a tenant within a budget.
type metricsReader struct {
	source promstorage.Queryable
	left   int // samples
}

// read returns the series of names that have samples in the range.
func (m *metricsReader) read(ctx context.Context, from, to int64, names ...string) ([]series, error) {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = regexp.QuoteMeta(n)
	}
	return m.readMatching(ctx, from, to, labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, strings.Join(quoted, "|")))
}

func (m *metricsReader) readMatching(ctx context.Context, from, to int64, ms ...*labels.Matcher) ([]series, error) {
	mint, maxt := from/milli, (to-1)/milli
	q, err := m.source.Querier(mint, maxt)
	if err != nil {
		return nil, fmt.Errorf("open the metrics: %w", err)
	}
	defer q.Close()
	var out []series
	set := q.Select(ctx, false, &promstorage.SelectHints{Start: mint, End: maxt}, ms...)
	var it chunkenc.Iterator
	for set.Next() {
		s := series{labels: set.At().Labels()}
		for it = set.At().Iterator(it); ; {
			kind := it.Next()
			if kind == chunkenc.ValNone {
				break
			}
			if kind != chunkenc.ValFloat {
				continue
			}
			if t, v := it.At(); t >= mint && t <= maxt {
				s.points = append(s.points, point{t * milli, v})
				m.left--
			}
		}
		if err := it.Err(); err != nil {
			return nil, fmt.Errorf("read the metrics: %w", err)
		}
		if m.left < 0 {
			return nil, errBudget
		}
		if len(s.points) > 0 {
			out = append(out, s)
		}
	}
	if err := set.Err(); err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	return out, nil
}

// last returns the last value of a series, and whether it still counts at end.
func (s *series) last(end, lookback int64) (float64, bool) {
	p := s.points[len(s.points)-1]
	return p.v, !value.IsStaleNaN(p.v) && p.at > end-lookback
}

// lastStretch returns the last time during which bad held. What has no sample
// for longer than lookback has ended.
func (s *series) lastStretch(end, lookback int64, bad func(float64) bool) (stretch, bool) {
	var found stretch
	open := false
	var before int64
	for _, p := range s.points {
		if open && p.at > before+lookback {
			found.until, open = before, false
		}
		holds := !value.IsStaleNaN(p.v) && bad(p.v)
		switch {
		case holds && !open:
			found, open = stretch{since: p.at}, true
		case !holds && open:
			found.until, open = p.at, false
		}
		before = p.at
	}
	if open && before <= end-lookback {
		found.until = before
	}
	return found, found.since != 0
}

// label returns a label by its name in OpenTelemetry's spelling or, as
// Prometheus has it, with underscores.
func label(ls labels.Labels, name string) string {
	if v := ls.Get(name); v != "" {
		return v
	}
	return ls.Get(strings.ReplaceAll(name, ".", "_"))
}

// firstLabel returns the first of names that a series has.
func firstLabel(ls labels.Labels, names ...string) string {
	for _, n := range names {
		if v := label(ls, n); v != "" {
			return v
		}
	}
	return ""
}
