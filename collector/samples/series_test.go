package samples_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/samples"
	"github.com/clewhq/clew/storage"
)

func TestWriteSeries(t *testing.T) {
	r := newRoom(t, nil)
	now := r.clock.Now().UnixMilli()
	h := &histogram.Histogram{Schema: 0, Count: 2, Sum: 3, PositiveSpans: []histogram.Span{{Length: 1}}, PositiveBuckets: []int64{2}}
	fine := &histogram.FloatHistogram{Schema: 20, Count: 2, Sum: 3, PositiveSpans: []histogram.Span{{Length: 1}}, PositiveBuckets: []float64{2}}
	series := []samples.Series{
		{
			Labels: labels.FromStrings("__name__", "up_total", "job", "a"), Samples: 2,
			Floats:    []samples.Float{{T: now - 1000, V: 1}, {T: now, V: 2}},
			Exemplars: []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", "abc"), Value: 1, Ts: now, HasTs: true}},
			Metadata:  metadata.Metadata{Type: "counter", Help: "Up."},
		},
		{Labels: labels.FromStrings("__name__", "native"), Histograms: []samples.Histogram{{T: now, H: h}}, Samples: 1},
		{Labels: labels.FromStrings("__name__", "fine"), Histograms: []samples.Histogram{{T: now, FH: fine}}, Samples: 1},
		{Labels: labels.FromStrings("job", "no name"), Floats: []samples.Float{{T: now, V: 1}}, Samples: 1},
		{Labels: labels.FromStrings("__name__", "late"), Samples: 3, Floats: []samples.Float{
			{T: now, V: 1}, {T: now + int64(2*time.Hour/time.Millisecond), V: 2}, {T: now - int64(100*24*time.Hour/time.Millisecond), V: 3}}},
		{Labels: labels.FromStrings("__name__", "seen"), Samples: 2, Floats: []samples.Float{{T: now, V: 2}, {T: now + 1, V: 3}}},
		{Bad: "symbols", Samples: 4},
	}
	seen := samples.Series{Labels: labels.FromStrings("__name__", "seen"), Samples: 1, Floats: []samples.Float{{T: now, V: 1}}}
	if _, _, err := r.writer.Write(t.Context(), "test", []samples.Series{seen}, 1, 1); err != nil {
		t.Fatal(err)
	}
	written, out, err := r.writer.Write(t.Context(), "test", series, 14, 100)
	if err != nil {
		t.Fatal(err)
	}
	if want := (samples.Written{Samples: 4, Histograms: 2, Exemplars: 1}); written != want {
		t.Errorf("written %+v, want %+v", written, want)
	}
	want := map[string]int{admission.InvalidLabels: 5, admission.TooFarInFuture: 1, admission.TooOld: 1, admission.DuplicateSample: 1}
	if diff := cmp.Diff(want, out.Reasons()); diff != "" {
		t.Error(diff)
	}
	wantSeries := []string{
		`{__name__="fine"} histogram of 2@0`,
		`{__name__="late"} 1@0`,
		`{__name__="native"} histogram of 2@0`,
		`{__name__="seen"} 1@0`,
		`{__name__="seen"} 3@1`,
		`{__name__="up_total", job="a"} 1@-1000`,
		`{__name__="up_total", job="a"} 2@0`,
	}
	if diff := cmp.Diff(wantSeries, r.dump(t, ".+")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`up_total: {trace_id="abc"} 1`}, r.exemplars(t)); diff != "" {
		t.Error(diff)
	}
}

func TestWriteSeriesStoreErrors(t *testing.T) {
	r := newRoom(t, nil)
	w := r.fail(t, storage.ErrDiskFull)
	series := []samples.Series{{Labels: labels.FromStrings("__name__", "x"), Floats: []samples.Float{{T: r.clock.Now().UnixMilli(), V: 1}}, Samples: 1}}
	if _, _, err := w.Write(t.Context(), "test", series, 1, 1); !errors.Is(err, storage.ErrDiskFull) {
		t.Errorf("got %v", err)
	}
	if got := r.dump(t, ".+"); len(got) != 0 {
		t.Errorf("stored %q", got)
	}
}
