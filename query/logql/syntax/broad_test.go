package syntax

import (
	"strings"
	"testing"
)

func TestBroad(t *testing.T) {
	for query, want := range map[string]string{
		`{service_name="shop"}`:                                  "",
		`{service_name=~"shop|cart"}`:                            "",
		`{service_name=~".+"} |= "alice@example.com"`:            "",
		`{service_name=~".+"} |~ "user=4[0-9]"`:                  "",
		`{service_name=~".+"} | json | user="alice"`:             "",
		`{service_name=~".+"} | json | size > 10MB`:              "",
		`{service_name=~".+"} | duration > 5s and user != ""`:    "",
		`{service_name=~".+"} |= ip("10.0.0.0/8")`:               "",
		`{service_name=~".+"}`:                                   "no condition asks for a value",
		`{service_name=~".*x?.*", cluster=~".+"}`:                "no condition asks for a value",
		`{service_name=~"(?s).+"} |~ ".*"`:                       "no condition asks for a value",
		`{service_name=~".+"} != "health"`:                       "no condition asks for a value",
		`{service_name=~".+"} | user != ""`:                      "no condition asks for a value",
		`{service_name=~".+"} | trace_id=""`:                     `trace_id=""`,
		`{service_name="shop"} |= ""`:                            `|= ""`,
		`{service_name="shop"} |= "alice" or ""`:                 `|= ""`,
		`{service_name="shop"} |~ ""`:                            `|~ ""`,
		`{service_name="shop", user=""}`:                         `user=""`,
		`{service_name="shop"} | json | user="alice" or mail=""`: `mail=""`,
		`{service_name="shop"} | json | user=~""`:                `user=~""`,
	} {
		e, err := ParseLog(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := e.Broad(); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
