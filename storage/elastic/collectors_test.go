package elastic

import (
	"testing"
	"time"

	"github.com/clewhq/clew/storage/local/wal"
)

// How old the oldest request is that waits is known by the times at which it
// was looked, and not at all of what a process before has left.
func TestBacklog(t *testing.T) {
	const wait = 5 * time.Second
	start := time.Unix(1700000000, 0)
	tr := &trail{}
	for _, step := range []struct {
		name        string
		second      int
		acked, done int64
		late        bool
		since       int // second, -1: not known
	}{
		{"left by a process before", 0, 10, 0, true, -1},
		{"it is sent, and more has come", 1, 20, 10, false, 0},
		{"all is sent", 2, 20, 20, false, -1},
		{"one waits", 4, 30, 20, false, 2},
		{"it waits for long", 8, 40, 20, true, 2},
		{"it is sent, what came later waits", 9, 50, 30, false, 4},
		{"for long", 20, 60, 30, true, 4},
		{"all is sent again", 21, 60, 60, false, -1},
	} {
		b := tr.look(start.Add(time.Duration(step.second)*time.Second), wal.Position{Offset: step.acked}, wal.Position{Offset: step.done}, wait)
		var since time.Time
		if step.since >= 0 {
			since = start.Add(time.Duration(step.since) * time.Second)
		}
		if want := (Backlog{Late: step.late, Since: since}); b != want {
			t.Errorf("%s: %+v, want %+v", step.name, b, want)
		}
	}
}
