package collector_test

import (
	"os"
	"strings"
	"testing"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
)

// The page for users names every reason, metric and encoding there is.
func TestDocsNameEverything(t *testing.T) {
	page, err := os.ReadFile("../docs/ingest.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		admission.TooFarInFuture, admission.TooOld, admission.MissingTime, admission.InvalidTraceID, admission.InvalidSpanID,
		admission.TooManyAttributes, admission.RecordTooLarge, admission.InvalidLabels, admission.InvalidRecord,
		admission.OutOfOrder, admission.DuplicateSample, admission.DeltaTemporality,
		"clew_collector_received_records_total", "clew_collector_received_bytes_total", "clew_collector_rejected_records_total",
		"clew_collector_refused_requests_total", "clew_collector_duplicate_requests_total", "clew_collector_request_duration_seconds",
		"max_future", "storage.retention", "max_attributes", "max_record_bytes", "max_body_bytes", "max_decompressed_bytes",
	}
	for _, encoding := range body.Encodings {
		if encoding != "identity" {
			want = append(want, encoding)
		}
	}
	for _, w := range want {
		if !strings.Contains(string(page), "`"+w) && !strings.Contains(string(page), "."+w) {
			t.Errorf("docs/ingest.md does not name %s", w)
		}
	}
}
