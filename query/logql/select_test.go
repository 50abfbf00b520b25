package logql

import (
	"testing"

	"github.com/clewhq/clew/telemetry"
)

// A selection is of records: those that the query lets through without an error.
func TestSelect(t *testing.T) {
	shop := telemetry.NewStream(telemetry.Resource{Attrs: telemetry.Attrs{{Key: "service.name", Value: telemetry.String("shop")}}}, telemetry.Scope{})
	record := func(body string) *telemetry.Log {
		return &telemetry.Log{Stream: shop, Time: 1, Body: telemetry.String(body)}
	}
	for _, c := range []struct {
		query, body  string
		stream, want bool
	}{
		{`{service_name="shop"}`, "x", true, true},
		{`{service_name="other"}`, "x", false, true},
		{`{service_name="shop"} |= "alice"`, "login of alice", true, true},
		{`{service_name="shop"} |= "alice"`, "login of bob", true, false},
		{`{service_name="shop"} | json | took > 10s`, `{"took":"11s"}`, true, true},
		{`{service_name="shop"} | json | took > 10s`, `{"took":"soon"}`, true, false},
		{`{service_name="shop"} | json`, "no json", true, false},
	} {
		sel, err := New(DefaultConfig(), nil, nil, nil).Select(c.query)
		if err != nil {
			t.Fatal(err)
		}
		if got := sel.Query.Stream(shop); got != c.stream {
			t.Errorf("%s: stream %v", c.query, got)
		}
		if got := sel.Match(record(c.body)); got != c.want {
			t.Errorf("%s on %s: %v", c.query, c.body, got)
		}
	}
	for _, bad := range []string{`{a=`, `rate({a="b"}[1m])`, `{a="b"} | distinct c`} {
		if _, err := New(DefaultConfig(), nil, nil, nil).Select(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
