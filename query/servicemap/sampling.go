package servicemap

import (
	"strconv"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// weightKeys are attributes that say of how many spans one was kept, and
// probabilityKeys those that say with what probability.
var (
	weightKeys      = []string{"SampleRate", "sampling.adjusted_count"}
	probabilityKeys = []string{"sampling.probability", "_dd.rule_psr", "_dd.agent_psr"}
)

// weightOf returns how many spans s stands for: 1 unless it says that others
// like it were left out, in the trace state as OpenTelemetry's probability
// samplers write it (ot=th:... or the older ot=p:...), or in an attribute.
func weightOf(s *telemetry.Span) float64 {
	if w := weightOfState(s.TraceState); w > 0 {
		return w
	}
	for i := range s.Attrs {
		key := s.Attrs[i].Key
		for _, k := range weightKeys {
			if key == k {
				if w, ok := number(s.Attrs[i].Value); ok && w >= 1 {
					return w
				}
			}
		}
		for _, k := range probabilityKeys {
			if key == k {
				if p, ok := number(s.Attrs[i].Value); ok && p > 0 && p <= 1 {
					return 1 / p
				}
			}
		}
	}
	return 1
}

func number(v telemetry.Value) (float64, bool) {
	n, err := strconv.ParseFloat(v.Text(), 64)
	return n, err == nil
}

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
