package otlp_test

import (
	"errors"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"

	"github.com/clewhq/clew/telemetry/otlp"
)

func TestCheckMetrics(t *testing.T) {
	point := func(fields ...[]byte) []byte {
		return field(1, field(2, field(2, field(1, []byte("m")), field(5, field(1, fields...)))))
	}
	for want, raw := range map[string][]byte{
		"resource_metrics[0] at byte 1: length 5, but 1 bytes are left":                                                  {0x0a, 5, 0},
		"resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0].time_unix_nano at byte":                    point([]byte{3<<3 | 1, 1, 2}),
		"resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0].as_double at byte 14: wire type 0, want 1": point([]byte{4 << 3, 7}),
		"resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0].attributes[1] at byte":                     point(field(7), []byte{7<<3 | 2, 9}),
		"request at byte 0: field number 0": {0},
	} {
		err := otlp.CheckMetrics(raw)
		if err == nil || !errors.Is(err, otlp.ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if pmetricotlp.NewExportRequest().UnmarshalProto(raw) == nil {
			t.Errorf("%x is no malformed request", raw)
		}
	}
	for seed := range uint64(100) {
		raw, err := pmetricotlp.NewExportRequestFromMetrics(newDice(seed).metrics()).MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		if err := otlp.CheckMetrics(raw); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzCheckMetrics: it never panics, and finds nothing wrong with a request
// that pdata and protobuf's own library take.
func FuzzCheckMetrics(f *testing.F) {
	raw, err := pmetricotlp.NewExportRequestFromMetrics(newDice(3).metrics()).MarshalProto()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		err := otlp.CheckMetrics(raw)
		valid := pmetricotlp.NewExportRequest().UnmarshalProto(raw) == nil && isProto(raw, &colmetrics.ExportMetricsServiceRequest{})
		if valid && err != nil && !overLimit(&raw, err) {
			t.Fatalf("a valid request: %v", err)
		}
	})
}
