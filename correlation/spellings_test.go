package correlation

import (
	"slices"
	"strings"
	"testing"
)

func TestSpellings(t *testing.T) {
	const half, padded = "a3ce929d0e0e4736", "0000000000000000a3ce929d0e0e4736"
	for in, want := range map[string][]string{
		"A-17":                                 {"A-17"},
		"6F1A6F2E-3B0C-4A9D-9B77-0F4A5F0C9E11": {"6f1a6f2e3b0c4a9d9b770f4a5f0c9e11"},
		strings.ToUpper(traceHex):              {traceHex},
		"a6":                                   {"a6", "00000000000000a6", "000000000000000000000000000000a6"},
		half:                                   {half, padded},
		"11803532876627986230":                 {half, "11803532876627986230", padded},
		"1234567890123456":                     {"1234567890123456", "00000000000000001234567890123456", "000462d53c8abac0"},
		"100985939111033328018442752961257817910":               {traceHex, "100985939111033328018442752961257817910"},
		"S/kvNXezTaajzpKdDg5HNg==":                              {traceHex, "S/kvNXezTaajzpKdDg5HNg=="},
		"APBnqgupArc=":                                          {"APBnqgupArc=", spanHex},
		"00-" + traceHex + "-" + spanHex + "-01":                {traceHex, "00-" + traceHex + "-" + spanHex + "-01", spanHex},
		traceHex + "/17;o=1":                                    {traceHex, traceHex + "/17;o=1", "0000000000000011"},
		"1-5759E988-BD862E3FE1BE46A994272793":                   {"5759e988bd862e3fe1be46a994272793"},
		"01arz3ndektsv4rrffq69g5fav":                            {"01ARZ3NDEKTSV4RRFFQ69G5FAV"},
		"request 6f1a6f2e-3b0c-4a9d-9b77-0f4a5f0c9e11 of today": {"request 6f1a6f2e-3b0c-4a9d-9b77-0f4a5f0c9e11 of today", "6f1a6f2e3b0c4a9d9b770f4a5f0c9e11"},
		strings.Repeat("x1y2z3a4b5c6d7e8f9g0 ", 20):             nil,
	} {
		got := Spellings(in)
		if want == nil {
			if len(got) > maxSpellings {
				t.Errorf("%d spellings", len(got))
			}
			continue
		}
		if !slices.Equal(got, want) {
			t.Errorf("Spellings(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCases(t *testing.T) {
	for in, want := range map[string][]string{
		"req-8f3a2b":                      {"req-8f3a2b", "REQ-8F3A2B"},
		"Order-10023":                     {"Order-10023", "order-10023", "ORDER-10023"},
		"pi_3MtwBwLkdIwHu7ix28a3tqPa":     {"pi_3MtwBwLkdIwHu7ix28a3tqPa"}, // letters beyond f mean something by their case
		"A-17":                            {"A-17"},
		traceHex:                          {traceHex},
		"blk_-1608999687919862906":        {"blk_-1608999687919862906", "BLK_-1608999687919862906"},
		"":                                {""},
		"req-" + strings.Repeat("a1", 99): {"req-" + strings.Repeat("a1", 99)},
	} {
		if got := Cases(in); !slices.Equal(got, want) {
			t.Errorf("Cases(%q) = %q, want %q", in, got, want)
		}
	}
}

// Whatever is asked, what is tried is in its normal form.
func FuzzSpellings(f *testing.F) {
	for _, s := range []string{"11803532876627986230", "S/kvNXezTaajzpKdDg5HNg==", "00-" + traceHex + "-" + spanHex + "-01", "REQ-8F3A2B", "{", "%3A", "A0000000000000000000000="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		forms := Spellings(id)
		if len(forms) == 0 || len(forms) > maxSpellings {
			t.Fatalf("Spellings(%q) are %d", id, len(forms))
		}
		for _, form := range forms {
			for _, c := range Cases(form) {
				if n := Normalize(c); n != c {
					t.Fatalf("Spellings(%q) holds %q, whose normal form is %q", id, c, n)
				}
			}
		}
	})
}
