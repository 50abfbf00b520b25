package head_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clewhq/clew/storage/local/head"
	"github.com/clewhq/clew/storage/local/record"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// TestMayHold: no row that holds a text is ruled out, and rows of requests
// without it are, also where runs were merged.
func TestMayHold(t *testing.T) {
	g := storagetest.NewGen(5)
	h := head.New(record.Logs)
	for i := range 30 {
		logs := g.Logs(20).Logs
		for j := range logs {
			logs[j].Body = telemetry.String(fmt.Sprintf("request %d has line %d", i, j))
		}
		if i == 7 {
			// Its text is not in the request as it is searched.
			logs[3].Body = telemetry.Map(telemetry.Attrs{{Key: "line", Value: telemetry.Int(424242)}})
		}
		h.Plan(newRun(t, logs))()
	}
	if h.Snapshot()[0].MayHold(nil) != nil {
		t.Error("a search for nothing rules rows out")
	}
	for _, c := range []struct {
		lits []string
		most int // rows that are not ruled out
	}{
		{[]string{"request 12 has"}, 20 + 20},
		{[]string{"request 12", "line 19"}, 20 + 20},
		{[]string{"request 12", "absent"}, 20},
		{[]string{"424242"}, 20},
		{[]string{"has line"}, 600},
	} {
		left := 0
		for _, r := range h.Snapshot() {
			may := r.MayHold(c.lits)
			for i, l := range rowsOf(t, r) {
				holds := true
				for _, lit := range c.lits {
					holds = holds && strings.Contains(l.Body.Text(), lit)
				}
				if may(i) {
					left++
				} else if holds {
					t.Errorf("%q is ruled out for %q", c.lits, l.Body.Text())
				}
			}
		}
		if left > c.most {
			t.Errorf("%q leaves %d rows, want at most %d", c.lits, left, c.most)
		}
	}
}
