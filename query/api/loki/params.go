package loki

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/query/logql"
	"github.com/prometheus/common/model"
)

// latest is the last time taken, in the year 2200: sums with ranges and
// offsets stay in 64 bits.
const latest = 7_258_118_400_000_000_000

const wantTime = "a Unix time in nanoseconds or seconds, or RFC 3339"

// parseTime reads a time as Loki does: with a dot it is seconds, an integer of
// at most ten digits is seconds, a longer one nanoseconds, anything else RFC 3339.
func parseTime(s string) (int64, bool) {
	if strings.Contains(s, ".") {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			if math.IsNaN(f) || math.Abs(f) > latest/1e9 {
				return 0, false
			}
			sec, frac := math.Modf(f)
			return int64(sec)*1e9 + int64(math.Round(frac*1000))*1e6, true
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if len(strings.TrimPrefix(s, "-")) <= 10 {
			return n * 1e9, n <= latest/1e9 && n >= -latest/1e9
		}
		return n, n <= latest && n >= -latest
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1900 || t.Year() > 2200 {
		return 0, false
	}
	return t.UnixNano(), true
}

// timeParam reads a time, fallback where it is not given.
func timeParam(r *http.Request, name string, fallback int64) (int64, error) {
	s := r.Form.Get(name)
	if s == "" {
		return fallback, nil
	}
	t, ok := parseTime(s)
	if !ok {
		return 0, &paramError{name, s, wantTime}
	}
	return max(t, 0), nil // nothing is older than the epoch
}

// rangeParams reads start, end and since.
func (a *API) rangeParams(r *http.Request, back model.Duration) (start, end int64, err error) {
	now := a.now().UnixNano()
	if end, err = timeParam(r, "end", now); err != nil {
		return 0, 0, err
	}
	if s := r.Form.Get("since"); s != "" {
		d, err := parseDuration(s)
		if err != nil || d < 0 {
			return 0, 0, &paramError{"since", s, "a duration such as 1h"}
		}
		back = model.Duration(d)
	}
	from := min(end, now) - int64(back)
	if start, err = timeParam(r, "start", from); err != nil {
		return 0, 0, err
	}
	if start > end {
		return 0, 0, &paramError{"end", r.Form.Get("end"), "a time that is not before start"}
	}
	return start, end, nil
}

func parseDuration(s string) (time.Duration, error) {
	if d, err := model.ParseDuration(s); err == nil {
		return time.Duration(d), nil
	}
	return time.ParseDuration(s)
}

// secondsParam reads a number of seconds or a duration; 0 where not given.
func secondsParam(r *http.Request, name string) (time.Duration, error) {
	s := r.Form.Get(name)
	if s == "" {
		return 0, nil
	}
	want := &paramError{name, s, "a number of seconds or a duration such as 15s, above 0"}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		if !(f > 0) || f > latest/1e9 {
			return 0, want
		}
		return time.Duration(math.Round(f * 1e9)), nil
	}
	d, err := parseDuration(s)
	if err != nil || d <= 0 {
		return 0, want
	}
	return d, nil
}

// stepParam reads step, or picks one that gives about 250 points.
func stepParam(r *http.Request, start, end int64) (time.Duration, error) {
	step, err := secondsParam(r, "step")
	if err != nil || step > 0 {
		return step, err
	}
	seconds := math.Max(math.Floor(time.Duration(end-start).Seconds()/250), 1)
	return time.Duration(seconds) * time.Second, nil
}

func countParam(r *http.Request, name string, fallback int) (int, error) {
	s := r.Form.Get(name)
	if s == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 {
		return 0, &paramError{name, s, "a whole number above 0"}
	}
	return n, nil
}

func directionParam(r *http.Request) (logql.Direction, error) {
	switch s := r.Form.Get("direction"); strings.ToLower(s) {
	case "", "backward":
		return logql.Backward, nil
	case "forward":
		return logql.Forward, nil
	default:
		return 0, &paramError{"direction", s, "forward or backward"}
	}
}

func requiredQuery(r *http.Request) (string, error) {
	q := r.Form.Get("query")
	if strings.TrimSpace(q) == "" {
		return "", &paramError{"query", "", "a LogQL query"}
	}
	return q, nil
}

// explainParam reports whether the plan of the query is asked for.
func explainParam(r *http.Request) bool {
	on, _ := strconv.ParseBool(r.Form.Get("explain"))
	return on
}
