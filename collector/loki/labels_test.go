package loki

import (
	"strings"
	"testing"
)

func TestParseLabels(t *testing.T) {
	tests := []struct{ in, want string }{
		{`{app="checkout"}`, "app=checkout"},
		{` { b = "2" , a="1", } `, "a=1|b=2"},
		{"{a=`raw \\n \"x\"`}", `a=raw \n "x"`},
		{`{a='it\'s "fine"'}`, `a=it's "fine"`},
		{`{a="tab\there \"quoted\" \u00e9"}`, "a=tab\there \"quoted\" é"},
		{"{a=\"two\nlines\"}", "a=two\nlines"},
		{`{a=""}`, "a="},
		{`{_x:y1="v"}`, "_x:y1=v"},
		{`{a="größe ✓, {}="}`, "a=größe ✓, {}="},
	}
	for _, tt := range tests {
		got, err := parseLabels(tt.in)
		var parts []string
		for _, a := range got {
			parts = append(parts, a.Key+"="+a.Value.Str())
		}
		if err != nil || strings.Join(parts, "|") != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.in, parts, err, tt.want)
		}
	}
}

func TestParseLabelsSaysWhatIsWrong(t *testing.T) {
	tests := []struct{ in, says string }{
		{``, "want '{' at the start"},
		{`app="x"`, "want '{' at the start"},
		{`{}`, "at least one label pair"},
		{`{a}`, "want '=' after label name a at position 2"},
		{`{a=x}`, "want a quoted string at position 3"},
		{`{a="x}`, "no closing \" for the one at position 3"},
		{`{a="x" b="y"}`, "want ',' or '}' at position 7"},
		{`{a="x"`, "want ',' or '}' at position 6"},
		{`{1a="x"}`, "want a label name at position 1"},
		{`{a-b="x"}`, "want '=' after label name a at position 2"},
		{`{a="x",a="y"}`, "label a stands there twice"},
		{`{a="x"} tail`, "unexpected text at position 8"},
		{`{a="\q"}`, "escape that does not exist"},
		{`{,}`, "want a label name"},
	}
	for _, tt := range tests {
		if got, err := parseLabels(tt.in); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, %v; want %q", tt.in, got, err, tt.says)
		}
	}
}

func FuzzParseLabels(f *testing.F) {
	for _, s := range []string{`{a="b"}`, "{a=`b`}", `{a='\''}`, `{a="\`, `{`, ` {a=`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseLabels(s)
		if (err == nil) == (len(got) == 0) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
		for i, a := range got {
			if !validName(a.Key) || i > 0 && got[i-1].Key >= a.Key {
				t.Errorf("%q: labels %v", s, got)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"streams":[{"stream":{"a":"b"},"values":[["1","x",{"c":"d"}]]}]}`))
	f.Add([]byte("\x0a\x10\x0a\x07{a=\"b\"}\x12\x05\x12\x03abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, decode := range []func([]byte) ([]stream, error){decodeProto, decodeJSON} {
			if streams, err := decode(b); err == nil {
				logs(streams)
			}
		}
	})
}
