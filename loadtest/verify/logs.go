package verify

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/clewhq/clew/loadtest/workload"
)

// lokiStreams is an answer of lines, as Loki's API without the header that
// asks for categories writes it: all labels of a line stand in its stream.
type lokiStreams struct {
	Data struct {
		ResultType string `json:"resultType"`
		Result     []struct {
			Stream map[string]string `json:"stream"`
			Values [][]any           `json:"values"`
		} `json:"result"`
	} `json:"data"`
}

// line is a log line as the server gives it back.
type line struct {
	labels map[string]string
	time   int64
	text   string
}

// selector selects a service's lines of this run.
func (v *Verifier) selector(service string) string {
	return fmt.Sprintf("{service_name=%q} | loadtest_run=%q", service, v.w.Run())
}

// writers are the names of all who write logs: the shop's services, and the
// systems whose real lines are mixed in.
func (v *Verifier) writers() []string {
	names := map[string]bool{}
	for _, s := range workload.Services {
		names[s.Name] = true
	}
	for name := range v.truth.LogsByService {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// logCounts asks how many lines there are of each service.
func (v *Verifier) logCounts(ctx context.Context, c *Check) {
	window := int(v.to.Sub(v.from).Seconds())
	for _, name := range v.writers() {
		want := v.truth.LogsByService[name]
		query := fmt.Sprintf("sum(count_over_time(%s [%ds]))", v.selector(name), window)
		got, err := v.scalar(ctx, "/loki/api/v1/query", url.Values{"query": {query}, "time": {nanos(v.to)}})
		c.asked(want)
		if err != nil {
			c.find(Unanswered, 1, "%s: %v", query, err)
			continue
		}
		c.count(int(got), want, "log lines of "+name)
	}
}

// logLines reads every line of every service page by page. It is left out
// where only a sample is asked for: correlation reads the sample's lines.
func (v *Verifier) logLines(ctx context.Context, c *Check) {
	if v.cfg.Sample != 0 {
		return
	}
	want := map[string]multiset{}
	for i := range v.w.Requests() {
		s := v.w.Story(i)
		for _, logs := range [][]workload.Log{s.Logs, s.Background} {
			for l := range logs {
				name := logs[l].ServiceName()
				if want[name] == nil {
					want[name] = multiset{}
				}
				want[name][lineKey(logs[l].Seq, logs[l].Time, traceText(logs[l].Context()), logs[l].Body)]++
			}
		}
	}
	for _, name := range v.writers() {
		got := multiset{}
		err := v.pages(ctx, v.selector(name), func(l line) {
			seq, _ := strconv.ParseInt(l.labels["loadtest_seq"], 10, 64)
			got[lineKey(seq, l.time, l.labels["trace_id"], l.text)]++
		})
		c.asked(len(want[name]))
		if err != nil {
			c.find(Unanswered, 1, "lines of %s: %v", name, err)
			continue
		}
		c.compare(got, want[name], "log line of "+name)
	}
}

func lineKey(seq, time int64, trace, text string) string {
	return fmt.Sprintf("#%d at %d trace %s: %s", seq, time, trace, text)
}

func traceText(t workload.TraceID) string {
	if t.IsZero() {
		return ""
	}
	return t.String()
}

// pages yields all lines of a query. A page begins with the last nanosecond
// of the one before, so lines of that moment come twice; they are told apart
// by the number that every record carries and by their place on the page.
func (v *Verifier) pages(ctx context.Context, query string, yield func(line)) error {
	from, edge := v.from.UnixNano(), multiset{}
	limit := v.cfg.LogPage
	for {
		lines, err := v.lines(ctx, query, from, limit)
		if err != nil {
			return err
		}
		seen := multiset{}
		fresh := 0
		for _, l := range lines {
			key := l.labels["loadtest_seq"] + l.text
			if l.time == from {
				if seen[key]++; seen[key] <= edge[key] {
					continue
				}
			}
			fresh++
			yield(l)
		}
		if len(lines) < limit {
			return nil
		}
		last := lines[len(lines)-1].time
		if fresh == 0 || last == from {
			return fmt.Errorf("more than %d lines at %d: ask for longer pages", limit, from)
		}
		from, edge = last, multiset{}
		for _, l := range lines {
			if l.time == last {
				edge[l.labels["loadtest_seq"]+l.text]++
			}
		}
	}
}

// lines asks for one page, oldest first.
func (v *Verifier) lines(ctx context.Context, query string, from int64, limit int) ([]line, error) {
	var answer lokiStreams
	err := v.api.getJSON(ctx, "/loki/api/v1/query_range", url.Values{
		"query": {query}, "start": {strconv.FormatInt(from, 10)}, "end": {nanos(v.to)},
		"limit": {strconv.Itoa(limit)}, "direction": {"forward"},
	}, &answer)
	if err != nil {
		return nil, err
	}
	if answer.Data.ResultType != "streams" {
		return nil, fmt.Errorf("answer to %s is a %q: want streams", query, answer.Data.ResultType)
	}
	var out []line
	for _, s := range answer.Data.Result {
		for _, value := range s.Values {
			l, err := readLine(s.Stream, value)
			if err != nil {
				return nil, err
			}
			out = append(out, l)
		}
	}
	sortLines(out)
	return out, nil
}

func readLine(labels map[string]string, value []any) (line, error) {
	if len(value) < 2 {
		return line{}, fmt.Errorf("an entry has %d elements: want time and text", len(value))
	}
	at, _ := value[0].(string)
	text, _ := value[1].(string)
	t, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return line{}, fmt.Errorf("read time of an entry: %w", err)
	}
	return line{labels: labels, time: t, text: text}, nil
}

// logSearch looks for request IDs in the text of all services' lines.
func (v *Verifier) logSearch(ctx context.Context, c *Check) {
	const most = 50 // each one reads everything in a server without an index
	v.eachStory(ctx, v.sample(most), func(s *workload.Story) {
		want, got := multiset{}, multiset{}
		for i := range s.Logs {
			if strings.Contains(s.Logs[i].Body, s.RequestID) {
				want[s.Logs[i].Body]++
			}
		}
		query := fmt.Sprintf("{service_name=~\".+\"} |= %q", s.RequestID)
		lines, err := v.lines(ctx, query, v.from.UnixNano(), v.cfg.LogPage)
		c.asked(len(want))
		if err != nil {
			c.find(Unanswered, 1, "%v", err)
			return
		}
		for _, l := range lines {
			got[l.text]++
		}
		c.compare(got, want, "line with request "+s.RequestID)
	})
}
