package tempo

import (
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/query/traceql/status"
	"github.com/clewhq/clew/query/traceql/syntax"
)

// uintParam reads an unsigned integer; it reports false where there is none.
func uintParam(q url.Values, name string) (int64, bool, error) {
	s := q.Get(name)
	if s == "" {
		return 0, false, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, false, status.BadRequest("invalid %s: %q, expected an integer of 0 or more", name, s)
	}
	return int64(n), true, nil
}

// secondsRange reads start and end in Unix seconds and returns nanoseconds. An
// end of 0 is no bound.
func secondsRange(q url.Values) (from, to int64, err error) {
	start, hasStart, err := uintParam(q, "start")
	if err != nil {
		return 0, 0, err
	}
	end, hasEnd, err := uintParam(q, "end")
	if err != nil {
		return 0, 0, err
	}
	if (hasStart || hasEnd) && end != 0 && end <= start {
		return 0, 0, status.BadRequest("http parameter start must be before end. received start=%d end=%d", start, end)
	}
	return start * int64(time.Second), end * int64(time.Second), nil
}

// queryParam reads the TraceQL query, from q or, for metrics, also from query.
func queryParam(q url.Values, names ...string) (*syntax.Query, error) {
	for _, name := range names {
		if s := q.Get(name); s != "" {
			parsed, err := syntax.Parse(s)
			if err != nil {
				return nil, invalidQuery(err)
			}
			return parsed, nil
		}
	}
	return nil, status.BadRequest("parameter q is missing, expected a TraceQL query such as { } | rate()")
}

// invalidQuery keeps what is not supported apart from what is wrong.
func invalidQuery(err error) error {
	if code := status.Of(err); code != 400 {
		return &status.Error{Code: code, Err: err}
	}
	return status.BadRequest("invalid TraceQL query: %w", err)
}

// metricsRange reads start, end and since of a metrics query.
func (a *API) metricsRange(q url.Values) (from, to int64, err error) {
	now := a.Now()
	since := time.Duration(a.Deps.Config.Since)
	if s := q.Get("since"); s != "" {
		d, err := model.ParseDuration(s)
		if err != nil || d <= 0 {
			return 0, 0, status.BadRequest("invalid since: %q, expected a duration such as 15m", s)
		}
		since = time.Duration(d)
	}
	end := now.UnixNano()
	if s := q.Get("end"); s != "" {
		if end, err = parseTime("end", s); err != nil {
			return 0, 0, err
		}
	}
	start := min(end, now.UnixNano()) - int64(since)
	if s := q.Get("start"); s != "" {
		if start, err = parseTime("start", s); err != nil {
			return 0, 0, err
		}
	}
	if end <= start || start < 0 {
		return 0, 0, status.BadRequest("end must be after start, received start=%s end=%s", q.Get("start"), q.Get("end"))
	}
	return start, end, nil
}

// parseTime reads Unix seconds (at most ten digits, or with a fraction), Unix
// nanoseconds, or RFC 3339.
func parseTime(name, s string) (int64, error) {
	if strings.Contains(s, ".") {
		if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 && f < math.MaxInt64/1e9 {
			sec, frac := math.Modf(f)
			return int64(sec)*int64(time.Second) + int64(math.Round(frac*1000))*int64(time.Millisecond), nil
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		if len(s) <= 10 {
			return n * int64(time.Second), nil
		}
		return n, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UnixNano(), nil
	}
	return 0, status.BadRequest("invalid %s: %q, expected Unix seconds, Unix nanoseconds or RFC 3339", name, s)
}

// parseStep reads a step: a duration, or seconds. It returns 0 for none.
func parseStep(s string) (int64, error) {
	if s == "" || s == "0" {
		return 0, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f > 0 && f < 1e9 {
		return int64(f * float64(time.Second)), nil
	}
	if d, err := model.ParseDuration(s); err == nil && d > 0 {
		return int64(d), nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return int64(d), nil
	}
	return 0, status.BadRequest("invalid step: %q, expected a duration such as 15s or a number of seconds", s)
}
