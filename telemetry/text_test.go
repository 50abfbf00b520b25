package telemetry

import "testing"

func TestAsText(t *testing.T) {
	for _, c := range []struct {
		v    Value
		text string
		ok   bool
	}{
		{String("placed"), "placed", true}, {String(""), "", true}, {Bytes("zahlbar für 17 €"), "zahlbar für 17 €", true},
		{Bytes("\x00\x01"), "\x00\x01", false}, {Bytes("\xff\xfe"), "\xff\xfe", false}, {Int(17), "", false}, {Value{}, "", false},
	} {
		if text, ok := c.v.AsText(); text != c.text || ok != c.ok {
			t.Errorf("%v: %q, %v", c.v, text, ok)
		}
	}
}
