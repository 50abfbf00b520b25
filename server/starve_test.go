package server

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestNeitherStarves: requests with data are taken while more queries than the
// machine has room for read everything, and the other way round.
func TestNeitherStarves(t *testing.T) {
	cfg := started(t, nil)
	var sent atomic.Int64
	ingest := func() error {
		n, now := sent.Add(1), time.Now().UnixNano()
		var records []string
		for i := range 50 {
			records = append(records, fmt.Sprintf(`{"timeUnixNano":"%d","body":{"stringValue":"order %d of %d"}}`, now+int64(i), i, n))
		}
		res, err := http.Post("http://"+cfg.Server.OTLPHTTPListen+"/v1/logs", "application/json", strings.NewReader(
			`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"logRecords":[`+strings.Join(records, ",")+`]}]}]}`))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("sent: %s", res.Status)
		}
		return nil
	}
	ask := func() error {
		code, body := get(t, cfg, "/loki/api/v1/query?query="+url.QueryEscape(`sum by (x) (count_over_time({service_name="shop"} | regexp "(?P<x>[0-9]+) of" [1h]))`))
		if code != http.StatusOK {
			return fmt.Errorf("asked: %d %s", code, body)
		}
		return nil
	}
	for range 10 {
		if err := ingest(); err != nil {
			t.Fatal(err)
		}
	}
	beside(t, ask, 4, ingest, 15)
	beside(t, ingest, 4, ask, 5)
}

// beside does a thing so often while others do another without a pause, and
// demands that those went on, too.
func beside(t *testing.T, other func() error, others int, one func() error, times int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var done atomic.Int64
	for range others {
		running.Go(func() {
			for ctx.Err() == nil {
				if err := other(); err != nil {
					t.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	for range times {
		if err := one(); err != nil {
			t.Error(err)
			break
		}
	}
	stop()
	running.Wait()
	if done.Load() < int64(others) {
		t.Errorf("%d of the others came through, want each of %d at least once", done.Load(), others)
	}
}
