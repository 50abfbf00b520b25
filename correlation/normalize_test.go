package correlation

import (
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	const uuid = "6f1a6f2e3b0c4a9d9b770f4a5f0c9e11"
	for in, want := range map[string]string{
		"6f1a6f2e-3b0c-4a9d-9b77-0f4a5f0c9e11":          uuid,
		"6F1A6F2E-3B0C-4A9D-9B77-0F4A5F0C9E11":          uuid,
		"6F1A6F2E3B0C4A9D9B770F4A5F0C9E11":              uuid,
		"{6F1A6F2E-3B0C-4A9D-9B77-0F4A5F0C9E11}":        uuid,
		"{6f1a6f2e3b0c4a9d9b770f4a5f0c9e11}":            uuid,
		"urn:uuid:6f1a6f2e-3b0c-4a9d-9b77-0f4a5f0c9e11": uuid,
		"URN:UUID:6F1A6F2E-3B0C-4A9D-9B77-0F4A5F0C9E11": uuid,
		` "6f1a6f2e-3b0c-4a9d-9b77-0f4a5f0c9e11" `:      uuid,
		"6f1a6f2e3b0c-4a9d9b77-0f4a5f0c9e11":            uuid,
		"00F067AA0BA902B7":                              "00f067aa0ba902b7",
		"1-5759E988-bd862e3fe1be46a994272793":           "5759e988bd862e3fe1be46a994272793",
		"0x34EDE65503F002D":                             "34ede65503f002d",
		"507F1F77BCF86CD799439011":                      "507f1f77bcf86cd799439011",
		"A-17":                                          "A-17",
		"Req-8F3A2B":                                    "Req-8F3A2B",
		"'ord_123abc'":                                  "ord_123abc",
		"req-6F1A6F2E-3B0C-4A9D-9B77-0F4A5F0C9E11":      "req-6F1A6F2E-3B0C-4A9D-9B77-0F4A5F0C9E11",
		"01ARZ3NDEKTSV4RRFFQ69G5FAV":                    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
		"01arz3ndektsv4rrffq69g5fav":                    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
		"'01Arz3Ndektsv4rrffq69g5fav'":                  "01ARZ3NDEKTSV4RRFFQ69G5FAV",
		"81arz3ndektsv4rrffq69g5fav":                    "81arz3ndektsv4rrffq69g5fav",
		"01arz3ndektsv4rrffq69g5fau":                    "01arz3ndektsv4rrffq69g5fau",
		"01arz3ndektsv4rrff-69g5fav":                    "01arz3ndektsv4rrff-69g5fav",
		"DEADBEEF":                                      "DEADBEEF",
		"{A-17}":                                        "{A-17}",
		"urn:uuid:nope":                                 "urn:uuid:nope",
		"1234-5678-9012-3456":                           "1234-5678-9012-3456",
		"1234567890123456789":                           "1234567890123456789",
		"":                                              "",
		`""`:                                            "",
		"  ":                                            "",
		"a b":                                           "a b",
		"жук-17":                                        "жук-17",
	} {
		if got := Normalize(in); got != want {
			t.Errorf("Normalize(%q) = %q, want %q", in, got, want)
		}
		if got := string(appendNormal(nil, in)); got != want {
			t.Errorf("appendNormal(%q) = %q, want %q", in, got, want)
		}
	}
}

// The numbers stand in indexes on disk: they may never change.
func TestHashIsFixed(t *testing.T) {
	for id, want := range map[string]uint64{
		"4bf92f3577b34da6a3ce929d0e0e4736": 0x6bdff82fd221c352,
		"A-17":                             0xd7a59865a7f0bd7,
	} {
		if got := Hash(id); got != want {
			t.Errorf("Hash(%q) = %#x, want %#x", id, got, want)
		}
		if got := hashBytes([]byte(id)); got != want {
			t.Errorf("hashBytes(%q) = %#x, want %#x", id, got, want)
		}
	}
}

func TestNormalizeDoesNotAllocateForNormalForms(t *testing.T) {
	for _, id := range []string{"4bf92f3577b34da6a3ce929d0e0e4736", "A-17", `"ord_123abc"`} {
		if n := testing.AllocsPerRun(100, func() { Normalize(id) }); n > 0 {
			t.Errorf("Normalize(%q) allocates %v times", id, n)
		}
	}
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{
		"6f1a6f2e-3b0c-4a9d-9b77-0f4a5f0c9e11", "{0x}", "urn:uuid:{urn:uuid:1}", "0x0x1234567890", "--------",
		`"'0x1234567890ABCDEF'"`, "1-5759e988-bd862e3fe1be46a994272793", "\xff\xfe",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := Normalize(s)
		if again := Normalize(n); again != n {
			t.Fatalf("Normalize(%q) = %q, and of that %q", s, n, again)
		}
		if b := string(appendNormal(nil, s)); b != n {
			t.Fatalf("appendNormal(%q) = %q, Normalize %q", s, b, n)
		}
		if up := Normalize(strings.ToUpper(n)); isHexWithDashes(n, traceDigits) && up != n {
			t.Fatalf("upper case of %q is %q", n, up)
		}
	})
}
