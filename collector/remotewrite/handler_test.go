package remotewrite_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
	"github.com/clewhq/clew/collector/internal/fake"
	"github.com/clewhq/clew/collector/remotewrite"
	"github.com/clewhq/clew/collector/samples"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type room struct {
	mux   *http.ServeMux
	store *metrics.Store
	clock *fake.Clock
}

// full is a store whose disk has no room.
type full struct{ storage.Metrics }

func (full) Tenant(string) (storage.TenantMetrics, error) { return nil, storage.ErrDiskFull }

func newRoom(t *testing.T, diskFull bool) *room {
	t.Helper()
	r := &room{mux: http.NewServeMux(), clock: &fake.Clock{}}
	cfg := metrics.DefaultConfig()
	cfg.Dir, cfg.MinFreeBytes = t.TempDir(), 0
	store, err := metrics.Open(cfg, metrics.Deps{Logger: slog.New(slog.DiscardHandler), Now: r.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	r.store = store
	gate := admission.New(admission.DefaultConfig(), admission.Deps{Records: &fake.Records{}, Logger: slog.New(slog.DiscardHandler), Now: r.clock.Now})
	var to storage.Metrics = store
	if diskFull {
		to = full{store}
	}
	writer := samples.New(samples.DefaultConfig(), gate, to)
	remotewrite.New(gate, writer, body.Limits{MaxBytes: 10_000, MaxDecompressedBytes: 20_000}).Register(r.mux)
	t.Cleanup(func() {
		if err := writer.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *room) post(kind string, b []byte, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/prometheus/api/v1/write", bytes.NewReader(b))
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, req)
	return w
}

func (r *room) count(t *testing.T, name string) int {
	t.Helper()
	tm, err := r.store.Tenant("anonymous")
	if err != nil {
		t.Fatal(err)
	}
	q, err := tm.Querier(0, 1<<60)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	n := 0
	set := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, name))
	for set.Next() {
		it := set.At().Iterator(nil)
		for it.Next() != chunkenc.ValNone {
			n++
		}
	}
	return n
}

func pairs(kv ...string) (out []prompb.Label) {
	for i := 0; i < len(kv); i += 2 {
		out = append(out, prompb.Label{Name: kv[i], Value: kv[i+1]})
	}
	return out
}

func v1(t *testing.T, now int64, bad bool) []byte {
	t.Helper()
	req := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
		{Labels: pairs("__name__", "good"), Samples: []prompb.Sample{{Timestamp: now, Value: 1}}},
		{Labels: pairs("__name__", "good"), Exemplars: []prompb.Exemplar{{Labels: pairs("trace_id", "x"), Value: 1, Timestamp: now}}},
		{Labels: pairs("__name__", "native"), Histograms: []prompb.Histogram{{
			Timestamp: now, Count: &prompb.Histogram_CountInt{CountInt: 1}, ZeroCount: &prompb.Histogram_ZeroCountInt{},
			PositiveSpans: []prompb.BucketSpan{{Length: 1}}, PositiveDeltas: []int64{1},
		}}},
	}, Metadata: []prompb.MetricMetadata{
		{Type: prompb.MetricMetadata_HISTOGRAM, MetricFamilyName: "elsewhere", Help: "In another request.", Unit: "seconds"}, {Help: "no name"},
	}}
	if bad {
		req.Timeseries = append(req.Timeseries,
			prompb.TimeSeries{Labels: pairs("__name__", "good"), Samples: []prompb.Sample{{Timestamp: now + int64(time.Hour*24*365/time.Millisecond)}}},
			prompb.TimeSeries{Labels: pairs("no", "name"), Samples: []prompb.Sample{{Timestamp: now}}})
	}
	b, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, b)
}

func v2(t *testing.T, now int64, bad bool) []byte {
	t.Helper()
	req := writev2.Request{Symbols: []string{"", "__name__", "good", "help me"}, Timeseries: []writev2.TimeSeries{{
		LabelsRefs: []uint32{1, 2}, Samples: []writev2.Sample{{Timestamp: now, Value: 1}, {Timestamp: now + 1, Value: 2}},
		Metadata: writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_GAUGE, HelpRef: 3},
	}}}
	if bad {
		req.Timeseries = append(req.Timeseries, writev2.TimeSeries{LabelsRefs: []uint32{1, 99}, Samples: []writev2.Sample{{Timestamp: now}}})
	}
	b, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, b)
}

const (
	kindV1 = "application/x-protobuf"
	kindV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

func TestWriteV1(t *testing.T) {
	r := newRoom(t, false)
	now := r.clock.Now().UnixMilli()
	for _, kind := range []string{"", kindV1, "application/x-protobuf;proto=prometheus.WriteRequest"} {
		if w := r.post(kind, v1(t, now, false), "Content-Encoding", "snappy"); w.Code != 204 {
			t.Errorf("as %q: %d %s", kind, w.Code, w.Body)
		}
	}
	if r.count(t, "good") != 1 || r.count(t, "native") != 1 {
		t.Errorf("%d samples, %d histograms", r.count(t, "good"), r.count(t, "native"))
	}
	tm, err := r.store.Tenant("anonymous")
	if err != nil {
		t.Fatal(err)
	}
	want := metadata.Metadata{Type: "histogram", Unit: "seconds", Help: "In another request."}
	if got := tm.Metadata(""); len(got) != 1 || got["elsewhere"] != want {
		t.Errorf("metadata %+v", got)
	}
	if w := r.post(kindV1, v1(t, now+1000, false)); w.Code != 204 {
		t.Errorf("without a content encoding: %d %s", w.Code, w.Body)
	}
}

func TestWriteV1KeepsTheGood(t *testing.T) {
	r := newRoom(t, false)
	w := r.post(kindV1, v1(t, r.clock.Now().UnixMilli(), true))
	if text := w.Body.String(); w.Code != 400 || !strings.Contains(text, "1 rejected as too_far_in_future") || !strings.Contains(text, "1 rejected as invalid_labels") {
		t.Errorf("%d %s", w.Code, text)
	}
	if r.count(t, "good") != 1 {
		t.Errorf("%d good samples", r.count(t, "good"))
	}
}

func TestWriteV2(t *testing.T) {
	r := newRoom(t, false)
	now := r.clock.Now().UnixMilli()
	w := r.post(kindV2, v2(t, now, false), "Content-Encoding", "snappy", "X-Prometheus-Remote-Write-Version", "2.0.0")
	if w.Code != 204 || w.Header().Get("X-Prometheus-Remote-Write-Samples-Written") != "2" || w.Header().Get("X-Prometheus-Remote-Write-Histograms-Written") != "0" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	tm, err := r.store.Tenant("anonymous")
	if err != nil {
		t.Fatal(err)
	}
	if md := tm.Metadata("good")["good"]; md.Help != "help me" || md.Type != "gauge" {
		t.Errorf("metadata %+v", md)
	}
	w = r.post(kindV2, v2(t, now+10, true))
	if w.Code != 400 || w.Header().Get("X-Prometheus-Remote-Write-Samples-Written") != "2" || !strings.Contains(w.Body.String(), "invalid_labels") {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if r.count(t, "good") != 4 {
		t.Errorf("%d samples, want 4", r.count(t, "good"))
	}
}

func TestWriteBadRequests(t *testing.T) {
	good := v1(t, (&fake.Clock{}).Now().UnixMilli(), false)
	tests := []struct {
		name, kind, encoding string
		body                 []byte
		full                 bool
		status               int
		says                 string
	}{
		{"not protobuf", kindV1, "snappy", snappy.Encode(nil, []byte("plain text")), false, 400, "malformed prometheus.WriteRequest"},
		{"not version 2", kindV2, "snappy", snappy.Encode(nil, []byte("plain text")), false, 400, "malformed io.prometheus.write.v2.Request"},
		{"not snappy", kindV1, "snappy", []byte("plain text"), false, 400, "content encoding snappy"},
		{"JSON", "application/json", "", []byte("{}"), false, 415, "application/json"},
		{"version 3", "application/x-protobuf;proto=io.prometheus.write.v3.Request", "snappy", good, false, 415, "v3.Request"},
		{"encoding", kindV1, "br", good, false, 415, "br"},
		{"too large", kindV1, "snappy", make([]byte, 10_001), false, 413, "over the limit"},
		{"bomb", kindV1, "snappy", snappy.Encode(nil, make([]byte, 30_000)), false, 413, "decompressed"},
		{"disk full", kindV1, "snappy", good, true, 503, "no space left"},
	}
	for _, tt := range tests {
		r := newRoom(t, tt.full)
		w := r.post(tt.kind, tt.body, "Content-Encoding", tt.encoding)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("%s: %d %s; want %d, %q", tt.name, w.Code, w.Body, tt.status, tt.says)
		}
		if got := w.Header().Get("Retry-After"); (got != "") != (tt.status == 503) {
			t.Errorf("%s: Retry-After %q", tt.name, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	r := http.NewServeMux()
	gate := admission.New(admission.DefaultConfig(), admission.Deps{Records: &fake.Records{}, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	remotewrite.New(gate, samples.New(samples.DefaultConfig(), gate, full{}), body.DefaultLimits()).Register(r)
	req := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: pairs("__name__", "x"), Samples: []prompb.Sample{{Value: 1}}}}}
	seed, _ := req.Marshal()
	f.Add(seed, false)
	f.Add([]byte("\x0a\x02\x22\x00"), true)
	f.Fuzz(func(t *testing.T, b []byte, second bool) {
		hr := httptest.NewRequest(http.MethodPost, "/prometheus/api/v1/write", bytes.NewReader(snappy.Encode(nil, b)))
		if second {
			hr.Header.Set("Content-Type", kindV2)
		}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, hr)
		if w.Code != 400 && w.Code != 503 {
			t.Errorf("status %d", w.Code)
		}
	})
}
