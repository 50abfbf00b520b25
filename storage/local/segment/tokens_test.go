package segment

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"testing"
)

var (
	longRun = regexp.MustCompile(`[0-9A-Za-z]{16,}`)
	aDigit  = regexp.MustCompile(`[0-9]`)
	allHex  = regexp.MustCompile(`^[0-9A-Fa-f]+$`)
	aUUID   = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}`)
)

// checkRuns holds what runs tells of a text against what regular expressions
// find in it.
func checkRuns(t *testing.T, text string) {
	t.Helper()
	var got, want []string
	runs(text, func(r tokenRun) { got = append(got, fmt.Sprint(r)) }, func(from int) { got = append(got, fmt.Sprint("uuid ", from)) })
	for _, at := range longRun.FindAllStringIndex(text, -1) {
		if run := text[at[0]:at[1]]; aDigit.MatchString(run) {
			want = append(want, fmt.Sprint(tokenRun{at[0], at[1], allHex.MatchString(run)}))
		}
	}
	for i := range text {
		if aUUID.MatchString(text[i:]) {
			want = append(want, fmt.Sprint("uuid ", i))
		}
	}
	slices.SortFunc(got, cmp.Compare)
	slices.SortFunc(want, cmp.Compare)
	if !slices.Equal(got, want) {
		t.Errorf("%q has %v, want %v", text, got, want)
	}
}

func FuzzRuns(f *testing.F) {
	for _, text := range []string{
		"", "a1", "0123456789abcde", "0123456789abcdef", " 0123456789abcdef ", "x.0123456789abcdef", "abcdefghijklmnop", "abcdefghijklmn9p",
		"order 01HZX3W5Q6J7K8M9N0P1Q2R3S4 paid", "aaaaaaa.aaaaaaaaaaaaaaa.aaaaaaaaaaaaaaa1.",
		"6f1a6f2e-8d1b-4c9a-9f43-1f7d3c2b1a09", "id=6F1A6F2E-8d1b-4c9a-9f43-1f7d3c2b1a09x", "ff6f1a6f2e-8d1b-4c9a-9f43-1f7d3c2b1a09-6f1a6f2e",
		"00000000-6f1a6f2e-8d1b-4c9a-9f43-1f7d3c2b1a09-8d1b-4c9a-9f43-1f7d3c2b1a09", "6f1a6f2e-8d1b-4c9a-9f43-1f7d3c2b1a0", "--------",
		"4bf92f3577b34da6a3ce929d0e0e4736 and 00f067aa0ba902b7, 2026-11-21T20:00:00Z \xff0123456789abcdef0",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkRuns(t, text) })
}
