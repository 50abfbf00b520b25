package compare

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/clewhq/clew/loadtest/send"
)

// The names of what can be compared.
const (
	Clew           = "clew"
	VictoriaLogs   = "victorialogs"
	VictoriaTraces = "victoriatraces"
	Loki           = "loki"
	Tempo          = "tempo"
	Jaeger         = "jaeger"
)

// storeKind is how a kind of store is fed and asked.
type storeKind struct {
	signals []send.Signal
	// otlpPath is where it takes OTLP on the address at which it is asked;
	// "" where that has an address of its own.
	otlpPath string
	// readyPath answers 200 once it can serve.
	readyPath string
	// ask puts a question into a request's path and parameters.
	ask map[Kind]asker
}

// asker puts a question.
type asker struct {
	request func(question) (path string, params url.Values)
	// count says how many things an answer holds.
	count func(body []byte) (int, error)
}

var kinds = map[string]storeKind{
	Clew: {
		signals: []send.Signal{send.Logs, send.Traces}, readyPath: "/readyz",
		ask: clewAsks(),
	},
	VictoriaLogs: {
		signals: []send.Signal{send.Logs}, otlpPath: "/insert/opentelemetry", readyPath: "/health",
		ask: victoriaLogsAsks(),
	},
	VictoriaTraces: {
		signals: []send.Signal{send.Traces}, otlpPath: "/insert/opentelemetry", readyPath: "/health",
		ask: jaegerAsks("/select/jaeger"),
	},
	Loki: {
		signals: []send.Signal{send.Logs}, otlpPath: "/otlp", readyPath: "/ready",
		ask: lokiAsks(func(q question) time.Time { return q.from }),
	},
	Tempo: {
		signals: []send.Signal{send.Traces}, readyPath: "/ready",
		ask: tempoAsks(""),
	},
	Jaeger: {
		signals: []send.Signal{send.Traces}, readyPath: "/",
		ask: jaegerAsks(""),
	},
}

// Names are the names of what can be compared.
func Names() []string { return slices.Sorted(maps.Keys(kinds)) }

// clewAsks asks in Loki's and Jaeger's languages. IDs are looked up without a
// time range, and an ID in any field with clew's own API, which answers with
// all records, spans among them.
func clewAsks() map[Kind]asker {
	asks := lokiAsks(func(q question) time.Time {
		if q.id != "" {
			return time.Unix(0, 0)
		}
		return q.from
	})
	maps.Copy(asks, jaegerAsks("/jaeger"))
	asks[IDAnywhere] = asker{
		request: func(q question) (string, url.Values) {
			return "/api/v1/correlate/" + q.id, url.Values{"hops": {"0"}, "limit": {strconv.Itoa(q.limit)}}
		},
		count: func(body []byte) (int, error) {
			var answer struct {
				Timeline []json.RawMessage `json:"timeline"`
			}
			err := json.Unmarshal(body, &answer)
			return len(answer.Timeline), err
		},
	}
	return asks
}

// lokiAsks asks in LogQL; from says where a question's range begins.
func lokiAsks(from func(question) time.Time) map[Kind]asker {
	ask := func(query func(question) string) asker {
		return asker{count: countLoki, request: func(q question) (string, url.Values) {
			return "/loki/api/v1/query_range", url.Values{
				"query": {query(q)}, "limit": {strconv.Itoa(q.limit)}, "direction": {"backward"},
				"start": {strconv.FormatInt(from(q).UnixNano(), 10)}, "end": {strconv.FormatInt(q.to.UnixNano(), 10)},
			}
		}}
	}
	const all = `{service_name=~".+"}`
	asks := map[Kind]asker{
		IDInText:    ask(func(q question) string { return fmt.Sprintf("%s |= %q", all, q.id) }),
		IDAnywhere:  ask(func(q question) string { return fmt.Sprintf("%s | request_id=%q", all, q.id) }),
		LogsOfTrace: ask(func(q question) string { return fmt.Sprintf("%s | trace_id=%q", all, q.id) }),
		LastLines:   ask(func(q question) string { return fmt.Sprintf("{service_name=%q}", q.service) }),
		Word:        ask(func(q question) string { return fmt.Sprintf("%s |= %q", all, q.word) }),
	}
	asks[ErrorsPerMinute] = asker{count: countMatrix, request: func(q question) (string, url.Values) {
		query := "sum by (service_name) (count_over_time(" + all + ` | severity_text="ERROR" [1m]))`
		params := minutes(q)
		params.Set("query", query)
		return "/loki/api/v1/query_range", params
	}}
	return asks
}

// minutes are a range in steps of a minute, at full minutes.
func minutes(q question) url.Values {
	return url.Values{
		"start": {strconv.FormatInt(q.from.Truncate(time.Minute).Unix(), 10)},
		"end":   {strconv.FormatInt(q.to.Truncate(time.Minute).Add(time.Minute).Unix(), 10)},
		"step":  {"60s"},
	}
}

func countLoki(body []byte) (int, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Values []json.RawMessage `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, err
	}
	n := 0
	for _, r := range answer.Data.Result {
		n += len(r.Values)
	}
	return n, nil
}

// countMatrix adds up the samples of a matrix, which are counts themselves.
func countMatrix(body []byte) (int, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Values [][2]any `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, err
	}
	sum := 0.0
	for _, r := range answer.Data.Result {
		for _, v := range r.Values {
			text, _ := v[1].(string)
			x, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return 0, fmt.Errorf("read a sample: %w", err)
			}
			sum += x
		}
	}
	return int(sum), nil
}
