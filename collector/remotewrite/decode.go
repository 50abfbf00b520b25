package remotewrite

import (
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/clewhq/clew/collector/samples"
)

// decodeV1 reads a WriteRequest. Its metadata come by metric family, mostly
// in requests of their own; each makes a Series of nothing else.
func decodeV1(raw []byte) ([]samples.Series, int, error) {
	var req prompb.WriteRequest
	if err := req.Unmarshal(raw); err != nil {
		return nil, 0, fmt.Errorf("decode: %w", err)
	}
	b := labels.NewScratchBuilder(0)
	out := make([]samples.Series, len(req.Timeseries))
	total := 0
	for i := range req.Timeseries {
		ts, s := &req.Timeseries[i], &out[i]
		s.Labels = ts.ToLabels(&b, nil)
		s.Samples = len(ts.Samples) + len(ts.Histograms)
		for _, f := range ts.Samples {
			s.Floats = append(s.Floats, samples.Float{T: f.Timestamp, V: f.Value})
		}
		for j := range ts.Histograms {
			h := samples.Histogram{T: ts.Histograms[j].Timestamp}
			if ts.Histograms[j].IsFloatHistogram() {
				h.FH = ts.Histograms[j].ToFloatHistogram()
			} else {
				h.H = ts.Histograms[j].ToIntHistogram()
			}
			s.Histograms = append(s.Histograms, h)
		}
		for j := range ts.Exemplars {
			s.Exemplars = append(s.Exemplars, ts.Exemplars[j].ToExemplar(&b, nil))
		}
		total += s.Samples
	}
	for i := range req.Metadata {
		md := &req.Metadata[i]
		if md.MetricFamilyName == "" {
			continue
		}
		out = append(out, samples.Series{
			Labels:   labels.FromStrings(model.MetricNameLabel, md.MetricFamilyName),
			Metadata: metadata.Metadata{Type: model.MetricType(strings.ToLower(md.Type.String())), Unit: md.Unit, Help: md.Help},
		})
	}
	return out, total, nil
}

// decodeV2 reads a version 2 Request, whose texts are references into a table
// of symbols.
func decodeV2(raw []byte) ([]samples.Series, int, error) {
	var req writev2.Request
	if err := req.Unmarshal(raw); err != nil {
		return nil, 0, fmt.Errorf("decode: %w", err)
	}
	b := labels.NewScratchBuilder(0)
	out := make([]samples.Series, len(req.Timeseries))
	total := 0
	for i := range req.Timeseries {
		seriesV2(&req.Timeseries[i], req.Symbols, &b, &out[i])
		total += out[i].Samples
	}
	return out, total, nil
}

func seriesV2(ts *writev2.TimeSeries, symbols []string, b *labels.ScratchBuilder, s *samples.Series) {
	s.Samples = len(ts.Samples) + len(ts.Histograms)
	var err error
	if s.Labels, err = ts.ToLabels(b, symbols); err != nil {
		s.Bad = fmt.Sprintf("labels of a series: %v", err)
		return
	}
	if s.Metadata, err = ts.ToMetadata(symbols); err != nil {
		s.Bad = fmt.Sprintf("metadata of %s: %v", s.Labels, err)
		return
	}
	if s.Samples == 0 {
		s.Bad = fmt.Sprintf("%s: a series needs at least one sample or histogram", s.Labels)
		return
	}
	for _, f := range ts.Samples {
		s.Floats = append(s.Floats, samples.Float{T: f.Timestamp, V: f.Value})
	}
	for j := range ts.Histograms {
		h := samples.Histogram{T: ts.Histograms[j].Timestamp}
		if ts.Histograms[j].IsFloatHistogram() {
			h.FH = ts.Histograms[j].ToFloatHistogram()
		} else {
			h.H = ts.Histograms[j].ToIntHistogram()
		}
		s.Histograms = append(s.Histograms, h)
	}
	for j := range ts.Exemplars {
		if e, err := ts.Exemplars[j].ToExemplar(b, symbols); err == nil {
			s.Exemplars = append(s.Exemplars, e)
		}
	}
}
