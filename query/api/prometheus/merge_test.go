package prometheus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	promstorage "github.com/prometheus/prometheus/storage"
)

const graphMetric = "traces_service_graph_request_total"

// serveMerged serves a store together with the series of another tenant, which
// stand for computed ones.
func serveMerged(t *testing.T) harness {
	t.Helper()
	var h harness
	h = serve(t, func(_ *Config, d *Deps) {
		d.Extra = func(string) promstorage.Queryable {
			m, err := h.store.Tenant("computed")
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
	}).fill(t)
	m, err := h.store.Tenant("computed")
	if err != nil {
		t.Fatal(err)
	}
	app := m.Appender(context.Background())
	ls := labels.FromStrings(model.MetricNameLabel, graphMetric, "client", "checkout", "server", "payment")
	for i := range 41 {
		if _, err := app.Append(0, ls, start.Add(time.Duration(i)*15*time.Second).UnixMilli(), float64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestComputedSeriesAreSeenByEveryQuestion(t *testing.T) {
	h := serveMerged(t)
	at := seconds(time.Minute)
	_, answer := h.ask(t, "GET", "/query", vals("query", fmt.Sprintf(`%s + on() group_left() max(http_requests_total{service="payment"})`, graphMetric), "time", at))
	result := answer["data"].(map[string]any)["result"].([]any)
	if len(result) != 1 || result[0].(map[string]any)["value"].([]any)[1] != "124" {
		t.Errorf("stored and computed together: %v", answer)
	}
	_, answer = h.ask(t, "GET", "/labels", nil)
	if d := cmp.Diff([]any{"__name__", "client", "server", "service", "service.name"}, answer["data"]); d != "" {
		t.Errorf("label names (-want +got):\n%s", d)
	}
	_, answer = h.ask(t, "GET", "/label/client/values", nil)
	if d := cmp.Diff([]any{"checkout"}, answer["data"]); d != "" {
		t.Errorf("label values (-want +got):\n%s", d)
	}
	_, answer = h.ask(t, "GET", "/series", vals("match[]", graphMetric))
	if got := answer["data"].([]any); len(got) != 1 {
		t.Errorf("series: %v", got)
	}
	q, err := h.api.Queryable("anonymous")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := q.(merged); !ok {
		t.Errorf("rules must see computed series, too: got %T", q)
	}
}

func TestRemoteReadOfComputedSeries(t *testing.T) {
	h := serveMerged(t)
	raw, err := proto.Marshal(&prompb.ReadRequest{
		AcceptedResponseTypes: []prompb.ReadRequest_ResponseType{prompb.ReadRequest_STREAMED_XOR_CHUNKS},
		Queries: []*prompb.Query{{
			StartTimestampMs: start.UnixMilli(), EndTimestampMs: start.Add(time.Minute).UnixMilli(),
			Matchers: []*prompb.LabelMatcher{{Type: prompb.LabelMatcher_RE, Name: "__name__", Value: graphMetric + "|http_requests_total"}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := h.Client().Post(h.URL+"/prometheus/api/v1/read", "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s, %v", resp.StatusCode, body, err)
	}
	for _, name := range []string{graphMetric, "http_requests_total"} {
		if !bytes.Contains(body, []byte(name)) {
			t.Errorf("the streamed chunks lack %s", name)
		}
	}
}

func TestWhatCannotBeComputedIsAWarning(t *testing.T) {
	h := serve(t, func(_ *Config, d *Deps) {
		d.Extra = func(string) promstorage.Queryable {
			return promstorage.QueryableFunc(func(int64, int64) (promstorage.Querier, error) {
				return nil, errors.New("the spans are on strike")
			})
		}
	}).fill(t)
	for path, params := range map[string][]string{
		"/query":                {"query", "http_requests_total", "time", seconds(time.Minute)},
		"/labels":               nil,
		"/label/service/values": nil,
	} {
		code, answer := h.ask(t, "GET", path, vals(params...))
		warnings := fmt.Sprint(answer["warnings"])
		if code != 200 || !strings.Contains(warnings, "computed series are missing") || !strings.Contains(warnings, "on strike") {
			t.Errorf("%s: %d, warnings %s", path, code, warnings)
		}
	}
}

func TestNothingComputedForATenant(t *testing.T) {
	h := serve(t, func(_ *Config, d *Deps) {
		d.Extra = func(string) promstorage.Queryable { return nil }
	}).fill(t)
	if code, answer := h.ask(t, "GET", "/query", vals("query", "up")); code != 200 {
		t.Errorf("%d %v", code, answer)
	}
}
