package calls

import (
	"strconv"
	"strings"
)

// weightOfState reads OpenTelemetry's part of a trace state; 0 for nothing.
func weightOfState(state string) float64 {
	for entry := range strings.SplitSeq(state, ",") {
		ot, ok := strings.CutPrefix(strings.TrimSpace(entry), "ot=")
		if !ok {
			continue
		}
		for field := range strings.SplitSeq(ot, ";") {
			switch key, value, _ := strings.Cut(field, ":"); key {
			case "th":
				return weightOfThreshold(value)
			case "p":
				if p, err := strconv.Atoi(value); err == nil && p >= 0 && p < 63 {
					return float64(uint64(1) << p)
				}
			}
		}
	}
	return 0
}

// weightOfThreshold reads a rejection threshold: hex digits of a number of 56
// bits, trailing zeroes left out.
func weightOfThreshold(th string) float64 {
	const digits = 14
	if th == "" || len(th) > digits {
		return 0
	}
	n, err := strconv.ParseUint(th+strings.Repeat("0", digits-len(th)), 16, 64)
	if err != nil {
		return 0
	}
	const all = 1 << 56
	return all / float64(all-n)
}
