package telemetry

import (
	"encoding/json"
	"math"
	"testing"
)

func nested() Value {
	return Map(Attrs{
		{"text", String("a \"quoted\"\nline\x01")}, {"yes", Bool(true)}, {"n", Int(-7)}, {"f", Double(1.5)}, {"nan", Double(math.NaN())},
		{"raw", Bytes("\x00\xff")}, {"list", Array([]Value{Int(1), {}, String("x")})}, {"none", Value{}},
	})
}

func TestTextOfANestedValueIsJSON(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal([]byte(nested().Text()), &got); err != nil {
		t.Fatalf("%v in %s", err, nested().Text())
	}
	for key, want := range map[string]any{"text": "a \"quoted\"\nline\x01", "yes": true, "n": -7.0, "f": 1.5, "nan": "NaN", "raw": "AP8=", "none": nil} {
		if got[key] != want {
			t.Errorf("%s: got %v, want %v", key, got[key], want)
		}
	}
	if list := got["list"].([]any); len(list) != 3 || list[0] != 1.0 || list[1] != nil || list[2] != "x" {
		t.Errorf("list: got %v", list)
	}
}

func TestTextOfPlainValues(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want string
	}{
		{String("plain \"text\""), `plain "text"`}, {Value{}, ""}, {Int(math.MinInt64), "-9223372036854775808"},
		{Double(0.1), "0.1"}, {Double(math.Inf(1)), "+Inf"}, {Bool(false), "false"}, {Bytes("hi"), "aGk="},
	} {
		if got := c.v.Text(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestAnyIsWhatJSONHolds(t *testing.T) {
	if _, err := json.Marshal(nested().Any()); err != nil {
		t.Error(err)
	}
}

func TestEqual(t *testing.T) {
	if !nested().Equal(nested()) {
		t.Error("a value equals itself, NaN included")
	}
	different := []Value{Value{}, String(""), String("1"), Int(1), Int(0), Double(1), Double(0), Bool(false), Bool(true), Bytes(""), Bytes("1"),
		Array(nil), Array([]Value{Int(1)}), Map(nil), Map(Attrs{{"1", Int(1)}}), Map(Attrs{{"1", Int(2)}}), Map(Attrs{{"2", Int(1)}})}
	for i, a := range different {
		for j, b := range different {
			if a.Equal(b) != (i == j) {
				t.Errorf("%v (%d) and %v (%d): equal is %v", a, i, b, j, a.Equal(b))
			}
		}
	}
}

func TestStreamID(t *testing.T) {
	base := NewStream(Resource{Attrs: Attrs{{"a", Int(1)}, {"b", String("x")}}}, Scope{Name: "s"})
	swapped := NewStream(Resource{Attrs: Attrs{{"b", String("x")}, {"a", Int(1)}}}, Scope{Name: "s"})
	if base.ID != swapped.ID {
		t.Error("the order of attributes makes another stream")
	}
	if !base.Resource.Attrs.Equal(Attrs{{"a", Int(1)}, {"b", String("x")}}) {
		t.Error("hashing changed the attributes")
	}
	for i, other := range []*Stream{
		NewStream(Resource{Attrs: Attrs{{"a", String("1")}, {"b", String("x")}}}, Scope{Name: "s"}),
		NewStream(Resource{Attrs: base.Resource.Attrs, SchemaURL: "u"}, Scope{Name: "s"}),
		NewStream(Resource{Attrs: base.Resource.Attrs, Dropped: 1}, Scope{Name: "s"}),
		NewStream(Resource{Attrs: base.Resource.Attrs}, Scope{Name: "s", Version: "1"}),
		NewStream(Resource{Attrs: base.Resource.Attrs}, Scope{Name: "s", Attrs: Attrs{{"a", Int(1)}}}),
		NewStream(Resource{Attrs: base.Resource.Attrs[:1]}, Scope{Name: "s"}),
	} {
		if other.ID == base.ID {
			t.Errorf("stream %d has the ID of another", i)
		}
	}
}

// The ID stands in files: a change of it would split every stream in two.
func TestStreamIDNeverChanges(t *testing.T) {
	s := NewStream(Resource{Attrs: Attrs{{"service.name", String("checkout")}, {"n", Array([]Value{Int(3), Double(0.5)})}}}, Scope{Name: "lib"})
	const want = "091be9b8"
	if got := TraceID(s.ID).String()[:8]; got != want {
		t.Errorf("got %s..., want %s...", got, want)
	}
}

func TestServiceOf(t *testing.T) {
	for _, c := range []struct {
		attrs Attrs
		want  string
	}{
		{nil, UnknownService},
		{Attrs{{"service.name", String("cart")}}, "cart"},
		{Attrs{{"service.namespace", String("shop")}, {"service.name", String("cart")}}, "shop/cart"},
		{Attrs{{"service.namespace", String("shop")}}, UnknownService},
		{Attrs{{"app", String("web")}, {"job", String("x")}}, "web"},
		{Attrs{{"job", String("x")}, {"service_name", String("cart")}}, "cart"},
	} {
		if got := ServiceOf(c.attrs); got != c.want {
			t.Errorf("%v: got %q, want %q", c.attrs, got, c.want)
		}
	}
}

func TestParseIDs(t *testing.T) {
	for in, want := range map[string]string{
		"4bf92f3577b34da6a3ce929d0e0e4736": "4bf92f3577b34da6a3ce929d0e0e4736",
		"4BF92F3577B34DA6A3CE929D0E0E4736": "4bf92f3577b34da6a3ce929d0e0e4736",
		"abc":                              "00000000000000000000000000000abc",
		"":                                 "", "0": "", "xyz": "", "14bf92f3577b34da6a3ce929d0e0e4736": "",
	} {
		id, ok := ParseTraceID(in)
		if id.String() != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v", in, id, ok)
		}
	}
	if id, ok := ParseSpanID("00F067AA0BA902B7"); !ok || id.String() != "00f067aa0ba902b7" {
		t.Errorf("span ID: got %q, %v", id, ok)
	}
	if _, ok := ParseSpanID("00f067aa0ba902b7aa"); ok {
		t.Error("a span ID of nine bytes was taken")
	}
}

func TestSeverity(t *testing.T) {
	for n, want := range map[Severity]string{0: "unknown", 1: "trace", 5: "debug", 8: "debug", 9: "info", 13: "warn", 17: "error", 20: "error", 21: "fatal", 24: "fatal", 25: "unknown"} {
		if n.String() != want {
			t.Errorf("%d: got %s, want %s", n, n, want)
		}
	}
	for word, want := range map[string]Severity{"WARNING": SeverityWarn, "Err": SeverityError, " info ": SeverityInfo, "crit": SeverityFatal, "verbose": SeverityTrace,
		"": SeverityUnset, "hello": SeverityUnset, "a very long word indeed": SeverityUnset} {
		if got := ParseSeverity(word); got != want {
			t.Errorf("%q: got %v, want %v", word, got, want)
		}
	}
}
