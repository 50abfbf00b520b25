package server

import (
	"slices"
	"testing"
	"time"

	"github.com/clewhq/clew/server/members"
)

func TestWhatOthersHold(t *testing.T) {
	late1 := members.About{Target: "collector", Late: true, Since: 1700000000}
	got := late([]members.Member{
		{Name: "a", About: late1}, {Name: "b", About: members.About{Target: "collector"}},
		{Name: "c", About: members.About{Target: "collector", Late: true}}, {Name: "me", About: late1},
	}, "me")
	want := []string{
		"collector a has acknowledged requests since 2023-11-14T22:13:20Z that are not in Elasticsearch yet: their records are missing",
		"collector c has acknowledged requests before it was started that are not in Elasticsearch yet: their records are missing",
	}
	if !slices.Equal(got, want) {
		t.Errorf("late:\n%q\nwant\n%q", got, want)
	}
	got = lost([]members.Lost{
		{Name: "d", At: time.Unix(1700000000, 0), About: members.About{Target: "collector"}}, {Name: "q", About: members.About{Target: "query"}},
	})
	want = []string{"collector d died at 2023-11-14T22:13:20Z: what it had acknowledged last may be missing until it is started again with its data directory"}
	if !slices.Equal(got, want) {
		t.Errorf("lost:\n%q\nwant\n%q", got, want)
	}
}
