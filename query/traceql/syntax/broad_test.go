package syntax

import (
	"strings"
	"testing"
)

func TestBroad(t *testing.T) {
	for query, want := range map[string]string{
		`{ span.user.email = "alice@example.com" }`:            "",
		`{ "alice" = span.user }`:                              "",
		`{ resource.service.name =~ "shop|cart" }`:             "",
		`{ status = error }`:                                   "",
		`{ duration > 5s }`:                                    "",
		`{ span.ok = true && span.user != "" }`:                "",
		`{}`:                                                   "no condition asks for a value",
		`{ true }`:                                             "no condition asks for a value",
		`{ span.user != nil }`:                                 "no condition asks for a value",
		`{ span.user != "" }`:                                  "no condition asks for a value",
		`{ resource.service.name =~ ".+" }`:                    "no condition asks for a value",
		`{ !(span.user = "alice") }`:                           "no condition asks for a value",
		`{ span.user = "" }`:                                   `span.user = ""`,
		`{ resource.service.name = "shop" && span.user = "" }`: `span.user = ""`,
		`{ span.user =~ "" }`:                                  `span.user =~ ""`,
		`{ span.a = "x" } || { span.user = "" }`:               `span.user = ""`,
	} {
		q, err := Parse(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := q.Broad(); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
