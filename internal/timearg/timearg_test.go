package timearg

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	now := time.Date(2031, 3, 1, 10, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"now":                         now,
		"2031-03-01T09:00:00Z":        now.Add(-time.Hour),
		"2031-03-01T10:00:00.5+01:00": now.Add(-time.Hour + 500*time.Millisecond),
		"1h":                          now.Add(-time.Hour),
		"-1h":                         now.Add(-time.Hour),
		"now-1h":                      now.Add(-time.Hour),
		"1h30m":                       now.Add(-90 * time.Minute),
		"7d":                          now.AddDate(0, 0, -7),
		"1.5h":                        now.Add(-90 * time.Minute),
		"1930125600":                  time.Unix(1930125600, 0),
		"1930125600.25":               time.Unix(1930125600, 250_000_000),
		"1930125600000":               time.Unix(1930125600, 0),
		"1930125600000000":            time.Unix(1930125600, 0),
		"1930125600000000001":         time.Unix(1930125600, 1),
		"0":                           time.Unix(0, 0),
	} {
		if got, err := Parse(in, now); err != nil || !got.Equal(want) {
			t.Errorf("Parse(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "yesterday", "-5", "1x", "2031-03-01", "now-", "99999999999999999999", "NaN"} {
		if got, err := Parse(in, now); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1h")
	f.Add("1930125600.25")
	f.Fuzz(func(t *testing.T, s string) {
		now := time.Unix(1e9, 0)
		if got, err := Parse(s, now); err == nil && got.IsZero() {
			t.Fatalf("Parse(%q) is the zero time", s)
		}
	})
}
