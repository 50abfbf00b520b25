package compare

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// victoriaLogsAsks asks in LogsQL.
func victoriaLogsAsks() map[Kind]asker {
	ask := func(query func(question) string) asker {
		return asker{count: countLines, request: func(q question) (string, url.Values) {
			return "/select/logsql/query", url.Values{
				"query": {query(q)}, "limit": {strconv.Itoa(q.limit)},
				"start": {q.from.UTC().Format(time.RFC3339Nano)}, "end": {q.to.UTC().Format(time.RFC3339Nano)},
			}
		}}
	}
	asks := map[Kind]asker{
		IDInText: ask(func(q question) string { return fmt.Sprintf("_msg:%q", q.id) }),
		// It has no search over all fields; these are the ones that hold it.
		IDAnywhere:  ask(func(q question) string { return fmt.Sprintf("_msg:%q or request.id:=%q", q.id, q.id) }),
		LogsOfTrace: ask(func(q question) string { return fmt.Sprintf("trace_id:=%q", q.id) }),
		LastLines:   ask(func(q question) string { return fmt.Sprintf("{service.name=%q}", q.service) }),
		Word:        ask(func(q question) string { return fmt.Sprintf("_msg:%q", q.word) }),
	}
	asks[ErrorsPerMinute] = asker{count: countMatrix, request: func(q question) (string, url.Values) {
		params := minutes(q)
		params.Set("query", `severity:=ERROR | stats by (service.name) count() errors`)
		return "/select/logsql/stats_query_range", params
	}}
	return asks
}

// countLines counts the lines of an answer that has one record on each.
func countLines(body []byte) (int, error) { return bytes.Count(body, []byte{'\n'}), nil }
