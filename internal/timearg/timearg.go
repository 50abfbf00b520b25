// Package timearg reads points in time as people and programs write them in
// flags and query parameters. It imports nothing of clew.
package timearg

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Numbers below these are seconds, milliseconds and microseconds since the
// Unix epoch; all of them stand for times before the year 5000.
const (
	maxSeconds = 1e11
	maxMillis  = 1e14
	maxMicros  = 1e17
)

// Want says what Parse takes, for error messages.
const Want = "RFC 3339, a Unix time in s, ms, us or ns, a duration such as 90s, 1h30m or 7d that long ago, or now"

// Parse reads a time: RFC 3339, a Unix time in seconds (possibly with a
// fraction), milliseconds, microseconds or nanoseconds, or a duration, which
// is that long before now.
func Parse(s string, now time.Time) (time.Time, error) {
	if s == "now" {
		return now, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return fromUnix(n), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 && f < maxSeconds {
		sec, frac := math.Modf(f)
		return time.Unix(int64(sec), int64(math.Round(frac*1e9))), nil
	}
	ago := strings.TrimPrefix(strings.TrimPrefix(s, "now"), "-")
	if d, err := model.ParseDuration(ago); err == nil {
		return now.Add(-time.Duration(d)), nil
	}
	if d, err := time.ParseDuration(ago); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: want %s", s, Want)
}

func fromUnix(n int64) time.Time {
	switch {
	case n < maxSeconds:
		return time.Unix(n, 0)
	case n < maxMillis:
		return time.UnixMilli(n)
	case n < maxMicros:
		return time.UnixMicro(n)
	}
	return time.Unix(0, n)
}
