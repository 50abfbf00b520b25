package verify

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Verdict is what is wrong with an answer.
type Verdict string

// The verdicts.
const (
	// Lost was sent and is not there.
	Lost Verdict = "lost"
	// Doubled is there more than once.
	Doubled Verdict = "doubled"
	// Wrong is there and differs, or is there and was never sent.
	Wrong Verdict = "wrong"
	// Unanswered questions met an error.
	Unanswered Verdict = "unanswered"
)

// notesKept is how many findings of a check are told word for word.
const notesKept = 8

// Check is one kind of question and how the answers compare.
type Check struct {
	Name string `json:"name"`
	// Asked counts the questions, Compared the facts in the answers that
	// were held against the truth.
	Asked    int             `json:"asked"`
	Compared int             `json:"compared"`
	Findings map[Verdict]int `json:"findings,omitempty"`
	Notes    []string        `json:"notes,omitempty"`
	Took     time.Duration   `json:"took_ns"`

	mu sync.Mutex
}

// asked notes a question whose answer held n facts of the truth.
func (c *Check) asked(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Asked++
	c.Compared += n
}

// find notes n findings of one kind.
func (c *Check) find(v Verdict, n int, format string, args ...any) {
	if n == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Findings == nil {
		c.Findings = map[Verdict]int{}
	}
	c.Findings[v] += n
	if len(c.Notes) < notesKept {
		c.Notes = append(c.Notes, string(v)+": "+fmt.Sprintf(format, args...))
	}
}

// count compares how many there are with how many there should be.
func (c *Check) count(got, want int, what string) {
	switch {
	case got < want:
		c.find(Lost, want-got, "%s: %d, want %d", what, got, want)
	case got > want:
		c.find(Doubled, got-want, "%s: %d, want %d", what, got, want)
	}
}

// OK reports whether there is nothing to complain of.
func (c *Check) OK() bool { return len(c.Findings) == 0 }

// Report is the outcome of all checks.
type Report struct {
	OK     bool     `json:"ok"`
	Checks []*Check `json:"checks"`
}

// Write prints the report as a table.
func (r *Report) Write(w io.Writer) error {
	for _, c := range r.Checks {
		state := "ok"
		if !c.OK() {
			state = "FAIL"
		}
		if _, err := fmt.Fprintf(w, "%-5s %-22s %7d questions %9d facts  %8s", state, c.Name, c.Asked, c.Compared, c.Took.Round(time.Millisecond)); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
		for _, v := range []Verdict{Lost, Doubled, Wrong, Unanswered} {
			if n := c.Findings[v]; n > 0 {
				_, _ = fmt.Fprintf(w, "  %d %s", n, v)
			}
		}
		_, _ = fmt.Fprintln(w)
		for _, n := range c.Notes {
			_, _ = fmt.Fprintf(w, "        %s\n", n)
		}
	}
	verdict := "nothing lost, nothing doubled, nothing wrong"
	if !r.OK {
		verdict = "the server's answers are not the truth"
	}
	if _, err := fmt.Fprintln(w, verdict); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
