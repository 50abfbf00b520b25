package correlation

import (
	"testing"

	"github.com/clewhq/clew/telemetry"
)

func TestParseContext(t *testing.T) {
	const half = "a3ce929d0e0e4736" // of traceHex; 11803532876627986230 in decimal
	for in, want := range map[string][2]string{
		"00-" + traceHex + "-" + spanHex + "-01":                                            {traceHex, spanHex},
		"cc-" + traceHex + "-" + spanHex + "-01-what-comes-later":                           {traceHex, spanHex},
		"00-" + traceHex + "-" + spanHex + "-0":                                             {},
		"00-00000000000000000000000000000000-" + spanHex + "-01":                            {},
		traceHex + "-" + spanHex + "-1":                                                     {traceHex, spanHex},
		traceHex + "-" + spanHex + "-1-05e3ac9a4f6e3b90":                                    {traceHex, spanHex},
		traceHex + "-" + spanHex:                                                            {traceHex, spanHex},
		half + "-" + spanHex + "-d":                                                         {"0000000000000000" + half, spanHex},
		traceHex + ":" + spanHex + ":0:1":                                                   {traceHex, spanHex},
		"3ce929d0e0e4736:1a2b:" + spanHex + ":1":                                            {"000000000000000003ce929d0e0e4736", "0000000000001a2b"},
		traceHex + "%3A" + spanHex + "%3a0%3A1":                                             {traceHex, spanHex},
		"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=" + spanHex + ";Sampled=1":         {"5759e988bd862e3fe1be46a994272793", spanHex},
		"Self=1-67891234-12456789abcdef012345678a;Root=1-5759e988-bd862e3fe1be46a994272793": {"5759e988bd862e3fe1be46a994272793", ""},
		"Root=1-5759e988":                         {},
		"1-5759E988-BD862E3FE1BE46A994272793":     {"5759e988bd862e3fe1be46a994272793", ""},
		traceHex + "/17;o=1":                      {traceHex, "0000000000000011"},
		traceHex + "/" + "18446744073709551615":   {traceHex, "ffffffffffffffff"},
		"projects/shop/traces/" + traceHex:        {traceHex, ""},
		"11803532876627986230":                    {"0000000000000000" + half, ""},
		"99999999999999999999":                    {}, // more than 64 bits
		"123456789012345":                         {"000000000000000000007048860ddf79", ""},
		"1234567890123456":                        {"00000000000000001234567890123456", ""},
		traceHex:                                  {traceHex, ""},
		" \"4BF92F3577B34DA6A3CE929D0E0E4736\" ":  {traceHex, ""},
		half:                                      {"0000000000000000" + half, ""},
		"bf92f3577b34da6a3ce929d0e0e4736":         {"0" + traceHex[1:], ""}, // a leading zero left out
		"6f1a6f2e-3b0c-4a9d-9b77-0f4a5f0c9e11":    {},
		"00000000000000000000000000000000":        {},
		"100985939111033328018442752961257817910": {traceHex, ""}, // 128 bits in decimal
		"S/kvNXezTaajzpKdDg5HNg==":                {traceHex, ""},
		"340282366920938463463374607431768211456": {}, // more than 128 bits
		"AAAAAAAAAAAAAAAAAAAAAA==":                {}, "S/kvNXezTaajzpKdDg5HN===": {}, "S/kvNXezTaajzpKdDg5HN!==": {},
		"some-service-name-that-is-long": {},
		"12:34:56:78":                    {}, "": {}, "0": {}, "1": {}, "abc": {}, "a/b": {}, "2031-03-01T10:11:12.345Z": {},
	} {
		trace, span, ok := ParseContext(in)
		if got := [2]string{trace.String(), span.String()}; ok != (want[0] != "") || ok && got != want {
			t.Errorf("ParseContext(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
}

// A trace is found under every number that somebody's log gives it.
func TestHalfOfATraceID(t *testing.T) {
	trace, _ := telemetry.ParseTraceID(traceHex)
	has := func(s telemetry.Span) bool {
		for _, id := range AppendSpan(nil, &s) {
			if id.Value == traceHex[16:] {
				return id.Kind == TraceID
			}
		}
		return false
	}
	parent := telemetry.SpanID{1}
	for name, c := range map[string]struct {
		span telemetry.Span
		want bool
	}{
		"a root":            {telemetry.Span{TraceID: trace}, true},
		"a server":          {telemetry.Span{TraceID: trace, ParentID: parent, Kind: telemetry.SpanKindServer}, true},
		"a consumer":        {telemetry.Span{TraceID: trace, ParentID: parent, Kind: telemetry.SpanKindConsumer}, true},
		"one of many below": {telemetry.Span{TraceID: trace, ParentID: parent, Kind: telemetry.SpanKindClient}, false},
	} {
		if has(c.span) != c.want {
			t.Errorf("%s: tells the half: %v", name, !c.want)
		}
	}
}

func FuzzParseContext(f *testing.F) {
	f.Add("00-" + traceHex + "-" + spanHex + "-01")
	f.Add("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=;")
	f.Add("%3A:::/:")
	f.Add("A0000000000000000000000=")
	f.Add("AAAAAAAAAAAB")
	f.Fuzz(func(t *testing.T, v string) {
		if trace, _, ok := ParseContext(v); ok && trace.IsZero() {
			t.Fatalf("ParseContext(%q) is no trace", v)
		}
	})
}
