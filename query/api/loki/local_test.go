package loki

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// TestEdgesOverLocal: what the embedded store has in one segment is told apart
// by the range asked for.
func TestEdgesOverLocal(t *testing.T) {
	cfg := local.DefaultConfig()
	cfg.Dir = "data"
	store, err := local.Open(cfg, local.Deps{FS: vfs.NewMem(), Now: func() time.Time { return time.Unix(now, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	h := &house{t: t, api: New(DefaultConfig(), logql.New(logql.DefaultConfig(), store, nil, nil), nil, "3.0.0-test"), mux: http.NewServeMux()}
	defer func() { _ = h.api.Close() }()
	h.api.now = func() time.Time { return time.Unix(now, 0) }
	h.api.Register(h.mux)
	var logs []telemetry.Log
	for service, ago := range map[string][]int64{"around": {90, 10}, "always": {90, 50, 49, 10}, "within": {50}, "since": {50, 10}} {
		st := telemetry.NewStream(telemetry.Resource{Attrs: attrs("service.name", service, service, "1")}, telemetry.Scope{})
		for _, s := range ago {
			logs = append(logs, telemetry.Log{Stream: st, Time: (now - s) * 1e9, Body: telemetry.String("a line")})
		}
	}
	storagetest.WriteLogs(t, store, tenant.Anonymous, storagetest.LogBatch(logs))
	if err := store.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	ask := func(path string, pairs ...string) map[string]any {
		return h.get(path, append(pairs, "start", fmt.Sprint(now-60), "end", fmt.Sprint(now-40))...)
	}
	same(t, "labels", ask("labels")["data"], `["always","service_name","since","within"]`)
	same(t, "values", ask("label/service_name/values")["data"], `["always","since","within"]`)
	same(t, "series", ask("series", "match[]", `{service_name=~"a.*"}`)["data"], `[{"always":"1","service_name":"always"}]`)
	same(t, "stats", ask("index/stats", "query", `{service_name=~".+"}`), `{"streams":3,"chunks":3,"bytes":24,"entries":4}`)
	result := ask("index/volume", "query", `{service_name=~".+"}`)["data"].(map[string]any)["result"]
	same(t, "volume", result, `[{"metric":{"service_name":"always"},"value":[1699999960,"12"]},`+
		`{"metric":{"service_name":"since"},"value":[1699999960,"6"]},{"metric":{"service_name":"within"},"value":[1699999960,"6"]}]`)
}
