package correlation

import "testing"

func TestLabelID(t *testing.T) {
	for _, c := range []struct {
		name, value, id string
		isTrace, ok     bool
	}{
		{"trace_id", "4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4736", true, true},
		{"traceID", "4BF92F35-77B3-4DA6-A3CE-929D0E0E4736", "4bf92f3577b34da6a3ce929d0e0e4736", false, true},
		{"traceID", "4BF92F3577B34DA6A3CE929D0E0E4736", "4bf92f3577b34da6a3ce929d0e0e4736", true, true},
		{"trace_id", "11803532876627986230", "0000000000000000a3ce929d0e0e4736", true, true},
		{"span_id", "00F067AA0BA902B7", "00f067aa0ba902b7", false, true},
		{"request_id", "REQ-77", "REQ-77", false, true},
		{"note", "4bf92f3577b34da6a3ce929d0e0e4736", "", false, false},
	} {
		if id, isTrace, ok := LabelID(c.name, c.value); id != c.id || isTrace != c.isTrace || ok != c.ok {
			t.Errorf("%s=%s: %q, %v, %v", c.name, c.value, id, isTrace, ok)
		}
	}
}
