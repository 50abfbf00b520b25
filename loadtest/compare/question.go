package compare

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/loadtest/workload"
)

// Kind is a kind of question.
type Kind string

// The kinds of questions.
const (
	IDInText        Kind = "lines with a request ID in the text"
	IDAnywhere      Kind = "records with it in any field"
	LogsOfTrace     Kind = "logs of one trace"
	ErrorsPerMinute Kind = "errors by service per minute"
	LastLines       Kind = "last 1,000 lines of a service"
	Word            Kind = "a word anywhere in bodies"
	TraceByID       Kind = "trace by ID"
	SlowSpans       Kind = "spans of a service over 500 ms in 1 h, 20 traces"
)

// allKinds are the kinds in the order in which they are asked.
var allKinds = []Kind{IDInText, IDAnywhere, LogsOfTrace, ErrorsPerMinute, LastLines, Word, TraceByID, SlowSpans}

const (
	maxLines    = 1000 // that an answer may hold
	maxTraces   = 20
	slowSpan    = 500 * time.Millisecond
	slowWindow  = time.Hour
	minWordSize = 6
	// room is left around the window, so that no store's idea of open and
	// closed ends matters.
	room = 10 * time.Second
)

// question is one question, whatever language it is put in.
type question struct {
	kind     Kind
	id       string // request ID or trace ID
	service  string
	word     string
	from, to time.Time
	limit    int
	// want is how many things are in a right answer; -1 is not known.
	want int
}

// questions draws n questions of every kind, the same for the same seed.
func questions(w *workload.Workload, n int) map[Kind][]question {
	r := rand.New(rand.NewPCG(w.Config().Seed, uint64(n)))
	words := wordsOf(w)
	out := map[Kind][]question{}
	for i := range n {
		// One story for each stretch of the window, so that no part of what
		// is stored is better off.
		s := w.Story((i*w.Requests() + r.IntN(w.Requests())) / n)
		service := workload.Services[(i+1)%len(workload.Services)].Name
		for _, k := range allKinds {
			q := question{kind: k, from: w.Start().Add(-room), to: w.End().Add(room), limit: maxLines, want: -1}
			switch k {
			case IDInText:
				q.id, q.want = s.RequestID, linesWith(s, s.RequestID)
			case IDAnywhere:
				q.id = s.RequestID
			case LogsOfTrace:
				q.id, q.want = s.Traces[0].String(), linesOf(s, s.Traces[0])
			case TraceByID:
				q.id, q.want = s.Traces[0].String(), spansOf(s, s.Traces[0])
			case LastLines:
				q.service = service
			case Word:
				q.word = words[i%len(words)]
			case SlowSpans:
				q.service, q.limit = service, maxTraces
				if start := q.to.Add(-slowWindow - room); start.After(q.from) {
					q.from = start
				}
			}
			out[k] = append(out[k], q)
		}
	}
	return out
}

func linesWith(s *workload.Story, id string) (n int) {
	for i := range s.Logs {
		if strings.Contains(s.Logs[i].Body, id) {
			n++
		}
	}
	return n
}

func linesOf(s *workload.Story, t workload.TraceID) (n int) {
	for i := range s.Logs {
		if s.Logs[i].Trace == t {
			n++
		}
	}
	return n
}

func spansOf(s *workload.Story, t workload.TraceID) (n int) {
	for i := range s.Spans {
		if s.Spans[i].Trace == t {
			n++
		}
	}
	return n
}

// wordsOf takes words out of the bodies of some stories: frequent ones and
// rare ones, as they come.
func wordsOf(w *workload.Workload) []string {
	const stories, most = 400, 40
	var out []string
	for i := range stories {
		s := w.Story(i * w.Requests() / stories)
		for _, logs := range [][]workload.Log{s.Logs, s.Background} {
			if len(logs) == 0 {
				continue
			}
			words := strings.FieldsFunc(logs[i%len(logs)].Body, func(c rune) bool {
				return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_'
			})
			words = slices.DeleteFunc(words, func(s string) bool {
				return len(s) < minWordSize || strings.ContainsAny(s, "0123456789_")
			})
			if len(words) == 0 {
				continue
			}
			if word := words[i%len(words)]; !slices.Contains(out, word) {
				if out = append(out, word); len(out) == most {
					return out
				}
			}
		}
	}
	return append(out, "deadlock")
}
