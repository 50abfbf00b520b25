package syntax

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/prometheus/common/model"
)

var errNotNumber = errors.New("not a number")

// parseDuration reads both spellings that LogQL takes: Prometheus's, with d, w
// and y, and Go's, with fractions and units below the millisecond.
func parseDuration(s string) (time.Duration, error) {
	if d, err := model.ParseDuration(s); err == nil {
		return time.Duration(d), nil
	}
	return time.ParseDuration(s)
}

// parseNumber reads a decimal, exponent or hexadecimal literal. The words inf
// and nan are not numbers of LogQL.
func parseNumber(s string) (float64, error) {
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		n, err := strconv.ParseInt(s[2:], 16, 64)
		return float64(n), err
	}
	if s == "" || (s[0] != '.' && (s[0] < '0' || s[0] > '9')) || strings.Contains(s, "_") {
		return 0, errNotNumber
	}
	return strconv.ParseFloat(s, 64)
}

// ParseBytes reads a size with its unit, such as 20MB (decimal) or 5KiB (binary).
func ParseBytes(s string) (uint64, error) { return humanize.ParseBytes(s) }
