package loki

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/pipeline"
)

// FuzzString proves that a JSON string that was written reads back as what it
// was, with what is no text replaced.
func FuzzString(f *testing.F) {
	for _, s := range []string{
		"", "plain", "a plain text of more than eight bytes", `"`, `12345678"`, `1234567\`, "1234567\n", "\x00\x1f\x7f", "grüße an alle",
		"\xff\xfe cut \xc3", strings.Repeat("x", 63) + "\t", "ein Ω am Ende Ω", "\u2028<&>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w := &writer{}
		w.str(s)
		var got string
		if err := json.Unmarshal(w.buf, &got); err != nil {
			t.Fatalf("%q written as %s: %v", s, w.buf, err)
		}
		var want strings.Builder
		for _, r := range s { // what is no text becomes U+FFFD byte by byte
			want.WriteRune(r)
		}
		if got != want.String() {
			t.Errorf("%q written as %s reads back as %q", s, w.buf, got)
		}
	})
}

func TestGroupRows(t *testing.T) {
	row := func(time int64, labels ...pipeline.Label) logql.Row { return logql.Row{Time: time, Labels: labels} }
	pod := func(v string) pipeline.Label { return pipeline.Label{Name: "pod", Value: v} }
	user := func(v string) pipeline.Label {
		return pipeline.Label{Name: "user", Value: v, Category: pipeline.FromMeta}
	}
	rows := []logql.Row{row(5, pod("b"), user("1")), row(4, pod("a"), user("2")), row(3, pod("b"), user("2")), row(2, pod("b"), user("1")), row(1)}
	times := func(categorize bool) (out [][]int64) {
		for _, s := range groupRows(rows, categorize) {
			var list []int64
			for _, r := range s.rows {
				list = append(list, r.Time)
			}
			out = append(out, list)
		}
		return out
	}
	check := func(categorize bool, want string) {
		t.Helper()
		if got, _ := json.Marshal(times(categorize)); string(got) != want {
			t.Errorf("grouped with categorize %t: %s, want %s", categorize, got, want)
		}
	}
	check(true, "[[1],[4],[5,3,2]]")
	check(false, "[[1],[4],[5,2],[3]]")
}
