package body_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
)

// TestInFlight: bodies of all encodings count until their requests have ended;
// a crowd of them is refused with 429 and a time to come again.
func TestInFlight(t *testing.T) {
	cfg := admission.DefaultConfig()
	cfg.InFlightBytes, cfg.InFlightWait = 12<<20, 0
	reg := prometheus.NewRegistry()
	gate := admission.New(cfg, admission.Deps{Registerer: reg, Now: time.Now})
	limits := body.DefaultLimits()
	limits.InFlight = gate.InFlight()
	plain := []byte(strings.Repeat("0123456789abcdef", 1<<16)) // 1 MiB
	for _, encoding := range []string{"", "gzip", "zstd", "snappy", "x-snappy-framed", "deflate"} {
		packed := plain
		switch encoding {
		case "":
		case "x-snappy-framed":
			packed = pack(t, "framed", plain)
		case "deflate":
			packed = pack(t, "zlib", plain)
		default:
			packed = pack(t, encoding, plain)
		}
		ctx, end := context.WithCancel(context.Background())
		read := func() error {
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(packed))
			r.Header.Set("Content-Encoding", encoding)
			_, err := body.Read(r, limits)
			return err
		}
		taken := 0
		err := read()
		for ; err == nil && taken < 10; err = read() {
			taken++
		}
		refused := gate.Refuse(err)
		if taken < 2 || taken > 4 || refused.HTTP != http.StatusTooManyRequests || refused.RetryAfter == 0 || refused.Reason != "in_flight" {
			t.Errorf("%q: %d bodies of 1 MiB within 12 MiB, then %v", encoding, taken, err)
		}
		if n := inFlight(t, reg); n == 0 || n > 13<<20 {
			t.Errorf("%q: %g bytes in flight", encoding, n)
		}
		end()
		for deadline := time.Now().Add(10 * time.Second); inFlight(t, reg) != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%q: requests that have ended hold %g bytes", encoding, inFlight(t, reg))
			}
		}
	}
}

func inFlight(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "clew_collector_in_flight_bytes" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("no metric")
	return 0
}
