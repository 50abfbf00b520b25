package realtest

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/internal/elastictest"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// refusal is an HTTP answer of a cluster that takes nothing.
func refusal(code int) string {
	const body = `{"error":{"type":"es_rejected_execution_exception","reason":"no"}}`
	return fmt.Sprintf("HTTP/1.1 %d %s\r\nX-Elastic-Product: Elasticsearch\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
		code, http.StatusText(code), len(body), body)
}

// TestFaultyWays puts faults on the way to Elasticsearch while records come
// in: all are taken, and each is there once when the fault is gone.
func TestFaultyWays(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]elastictest.Fault{
		"latency":      {Latency: 50 * time.Millisecond},
		"resets":       {Cut: 1},
		"half answers": {Cut: 500},
		"slow drip":    {Drip: 1, Latency: 20 * time.Millisecond},
		"429":          {Answer: refusal(http.StatusTooManyRequests)},
		"503":          {Answer: refusal(http.StatusServiceUnavailable)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			way := elastictest.NewProxy(t, node)
			cfg := config()
			quick(&cfg)
			cfg.Addresses, cfg.RequestTimeout = []string{way.URL}, model.Duration(3*time.Second)
			s := opened(t, cfg, deps())
			g := storagetest.NewGen(61)
			var logs []telemetry.Log
			write := func() {
				b := g.Logs(40)
				storagetest.WriteLogs(t, s, "me", b)
				logs = append(logs, b.Logs...)
			}
			for range 5 {
				write()
			}
			way.Set(fault)
			before := way.Struck.Load()
			for range 10 {
				write()
			}
			until(t, "the fault to strike", func() bool { return way.Struck.Load() > before+1 || s.Remote().PendingBytes == 0 })
			way.Set(elastictest.Fault{})
			healed := time.Now()
			if d := storagetest.DiffLogs(eventually(t, s, len(logs)), logs); d != "" {
				t.Error(d)
			}
			t.Logf("all there %s after the fault was gone", time.Since(healed).Round(time.Millisecond))
			if got := count(t, "logs-"+cfg.Dataset+"-me"); got != len(logs) {
				t.Errorf("%d documents, want %d", got, len(logs))
			}
		})
	}
}
