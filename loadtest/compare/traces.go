package compare

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
)

// jaegerAsks asks as Jaeger's interface does; base is where its API begins.
func jaegerAsks(base string) map[Kind]asker {
	return map[Kind]asker{
		TraceByID: {count: countJaegerSpans, request: func(q question) (string, url.Values) {
			return base + "/api/traces/" + q.id, nil
		}},
		SlowSpans: {count: countJaegerTraces, request: func(q question) (string, url.Values) {
			return base + "/api/traces", url.Values{
				"service": {q.service}, "minDuration": {slowSpan.String()}, "limit": {strconv.Itoa(q.limit)},
				"start": {strconv.FormatInt(q.from.UnixMicro(), 10)}, "end": {strconv.FormatInt(q.to.UnixMicro(), 10)},
			}
		}},
	}
}

// jaegerTraces is an answer of traces.
type jaegerTraces struct {
	Data []struct {
		Spans []json.RawMessage `json:"spans"`
	} `json:"data"`
}

func countJaegerSpans(body []byte) (int, error) {
	var answer jaegerTraces
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, err
	}
	n := 0
	for _, t := range answer.Data {
		n += len(t.Spans)
	}
	return n, nil
}

func countJaegerTraces(body []byte) (int, error) {
	var answer jaegerTraces
	err := json.Unmarshal(body, &answer)
	return len(answer.Data), err
}

// tempoAsks asks as Grafana does, but in JSON.
func tempoAsks(base string) map[Kind]asker {
	return map[Kind]asker{
		TraceByID: {count: countTempoSpans, request: func(q question) (string, url.Values) {
			return base + "/api/v2/traces/" + q.id, nil
		}},
		SlowSpans: {count: countTempoTraces, request: func(q question) (string, url.Values) {
			return base + "/api/search", url.Values{
				"q":     {fmt.Sprintf("{ resource.service.name = %q && duration > %s }", q.service, slowSpan)},
				"limit": {strconv.Itoa(q.limit)},
				"start": {strconv.FormatInt(q.from.Unix(), 10)}, "end": {strconv.FormatInt(q.to.Unix(), 10)},
			}
		}},
	}
}

func countTempoSpans(body []byte) (int, error) {
	var answer struct {
		Trace struct {
			ResourceSpans []struct {
				ScopeSpans []struct {
					Spans []json.RawMessage `json:"spans"`
				} `json:"scopeSpans"`
			} `json:"resourceSpans"`
		} `json:"trace"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, err
	}
	n := 0
	for _, rs := range answer.Trace.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			n += len(ss.Spans)
		}
	}
	return n, nil
}

func countTempoTraces(body []byte) (int, error) {
	var answer struct {
		Traces []json.RawMessage `json:"traces"`
	}
	err := json.Unmarshal(body, &answer)
	return len(answer.Traces), err
}
