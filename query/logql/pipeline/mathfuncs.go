package pipeline

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/template"
	"time"
)

var errDivideByZero = errors.New("division by zero")

// addMath adds the functions that compute. Their arguments may be numbers or
// texts; a text that is no number counts as 0.
func addMath(m template.FuncMap) {
	m["add"] = func(v ...any) int64 { return fold(v, toInt, func(a, b int64) int64 { return a + b }) }
	m["sub"] = func(a, b any) int64 { return toInt(a) - toInt(b) }
	m["mul"] = func(a any, v ...any) int64 {
		return fold(append([]any{a}, v...), toInt, func(a, b int64) int64 { return a * b })
	}
	m["div"] = func(a, b any) (int64, error) {
		if toInt(b) == 0 {
			return 0, errDivideByZero
		}
		return toInt(a) / toInt(b), nil
	}
	m["mod"] = func(a, b any) (int64, error) {
		if toInt(b) == 0 {
			return 0, errDivideByZero
		}
		return toInt(a) % toInt(b), nil
	}
	m["max"] = func(a any, v ...any) int64 {
		return fold(append([]any{a}, v...), toInt, func(a, b int64) int64 { return max(a, b) })
	}
	m["min"] = func(a any, v ...any) int64 {
		return fold(append([]any{a}, v...), toInt, func(a, b int64) int64 { return min(a, b) })
	}
	m["addf"] = func(v ...any) float64 { return fold(v, toFloat, func(a, b float64) float64 { return a + b }) }
	m["subf"] = floats(func(a, b float64) float64 { return a - b })
	m["mulf"] = floats(func(a, b float64) float64 { return a * b })
	m["divf"] = floats(func(a, b float64) float64 { return a / b })
	m["maxf"] = floats(math.Max)
	m["minf"] = floats(math.Min)
	m["ceil"] = func(a any) float64 { return math.Ceil(toFloat(a)) }
	m["floor"] = func(a any) float64 { return math.Floor(toFloat(a)) }
	m["round"] = roundTo
	m["int"] = func(a any) int { return int(toInt(a)) }
	m["float64"] = toFloat
}

func floats(op func(a, b float64) float64) func(a any, v ...any) float64 {
	return func(a any, v ...any) float64 { return fold(append([]any{a}, v...), toFloat, op) }
}

func fold[T int64 | float64](values []any, conv func(any) T, op func(a, b T) T) T {
	var out T
	for i, v := range values {
		if i == 0 {
			out = conv(v)
		} else {
			out = op(out, conv(v))
		}
	}
	return out
}

// roundTo rounds to p digits, up from a half or from the fraction given.
func roundTo(a any, p int, from ...float64) float64 {
	half := 0.5
	if len(from) > 0 {
		half = from[0]
	}
	pow := math.Pow(10, float64(p))
	digit := pow * toFloat(a)
	_, frac := math.Modf(digit)
	if frac >= half {
		return math.Ceil(digit) / pow
	}
	return math.Floor(digit) / pow
}

func toInt(v any) int64 {
	switch v := v.(type) {
	case int:
		return int64(v)
	case int64:
		return v
	case float64:
		return int64(v)
	case bool:
		if v {
			return 1
		}
		return 0
	case string:
		s := strings.TrimSpace(v)
		if n, err := strconv.ParseInt(s, 0, 64); err == nil {
			return n
		}
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0
		}
		return int64(f)
	}
	return 0
}

func toFloat(v any) float64 {
	if s, ok := v.(string); ok {
		f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil {
			return 0
		}
		return f
	}
	if f, ok := v.(float64); ok {
		return f
	}
	return float64(toInt(v))
}

// addTime adds the functions on times and durations.
func addTime(m template.FuncMap) {
	m["now"] = time.Now
	m["date"] = func(layout string, v any) string { return asTime(v).Format(layout) }
	m["toDate"] = func(layout, s string) (time.Time, error) { return time.ParseInLocation(layout, s, time.Local) }
	m["toDateInZone"] = func(layout, zone, s string) (time.Time, error) {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			return time.Time{}, err
		}
		return time.ParseInLocation(layout, s, loc)
	}
	m["duration"] = durationSeconds
	m["duration_seconds"] = durationSeconds
	m["unixEpoch"] = func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	m["unixEpochMillis"] = func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
	m["unixEpochNanos"] = func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }
	m["unixToTime"] = unixToTime
}

func asTime(v any) time.Time {
	switch v := v.(type) {
	case time.Time:
		return v
	case int:
		return time.Unix(int64(v), 0)
	case int64:
		return time.Unix(v, 0)
	}
	return time.Now()
}

func durationSeconds(s string) (float64, error) {
	d, err := time.ParseDuration(s)
	return d.Seconds(), err
}

// unixToTime tells by the number of digits in which unit an epoch is.
func unixToTime(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("unable to parse time '%v': %w", s, err)
	}
	switch len(s) {
	case 5:
		return time.Unix(n*86400, 0).UTC(), nil
	case 10:
		return time.Unix(n, 0).UTC(), nil
	case 13:
		return time.UnixMilli(n).UTC(), nil
	case 16:
		return time.UnixMicro(n).UTC(), nil
	case 19:
		return time.Unix(0, n).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("unable to parse time '%v': expected 5, 10, 13, 16 or 19 digits", s)
}
