package correlation

import (
	"strings"
	"testing"
)

func TestUncoloured(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		"plain":                          "plain",
		"\x1b[36mkey\x1b[0m=\x1b[1;35mv": "key=v",
		"\x1b[31m\x1b[0m":                "",
		"a\x1b[2Kb\x1bc\x1b[3":           "a\x1b[2Kb\x1bc\x1b[3",
		"\x1b\x1b[0mx":                   "\x1bx",
		"end\x1b":                        "end\x1b",
	} {
		if got := uncoloured(in); got != want {
			t.Errorf("uncoloured(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestUncolouredTakesLinearTime(t *testing.T) {
	// Each byte is looked at a few times, whatever stands around it.
	text := strings.Repeat("\x1b[", 1<<16) + strings.Repeat("\x1b[0;", 1<<15)
	if got := uncoloured(text); got != text {
		t.Error("what is no colour was changed")
	}
}

func FuzzUncoloured(f *testing.F) {
	f.Add("\x1b[36mkey\x1b[0m=\x1b[1;35mv")
	f.Fuzz(func(t *testing.T, text string) {
		got := uncoloured(text)
		if len(got) > len(text) || !strings.Contains(text, "\x1b") && got != text {
			t.Fatalf("uncoloured(%q) = %q", text, got)
		}
	})
}
