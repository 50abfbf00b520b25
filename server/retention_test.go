package server

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/clewhq/clew/server/auth"
	"github.com/clewhq/clew/server/config"
)

// retained is a server with two tenants, whose configuration file can change.
type retained struct {
	t    *testing.T
	file string
	cfg  config.Config
}

func (r *retained) put(text string) {
	r.t.Helper()
	// By a rename, so that nobody reads half of it.
	if err := os.WriteFile(r.file+".new", []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(r.file+".new", r.file); err != nil {
		r.t.Fatal(err)
	}
}

// send stores a line of so many days ago.
func (r *retained) send(tenant, line string, days int) {
	r.t.Helper()
	req := logRequest(line)
	at := pcommon.NewTimestampFromTime(time.Now().AddDate(0, 0, -days))
	req.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).SetTimestamp(at)
	raw, err := req.MarshalProto()
	if err != nil {
		r.t.Fatal(err)
	}
	hr, err := http.NewRequest(http.MethodPost, "http://"+r.cfg.Server.OTLPHTTPListen+"/v1/logs", bytes.NewReader(raw))
	if err != nil {
		r.t.Fatal(err)
	}
	for k, v := range map[string]string{"Content-Type": "application/x-protobuf", "Authorization": "Bearer s3cret", "X-Scope-OrgID": tenant} {
		hr.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(hr)
	if err != nil || res.StatusCode != http.StatusOK {
		r.t.Fatalf("send: %v, %v", res, err)
	}
	res.Body.Close()
}

// await waits until a tenant has these lines, and no other.
func (r *retained) await(tenant string, want ...string) {
	r.t.Helper()
	from := time.Now().AddDate(0, 0, -20).Format(time.RFC3339)
	query := "/loki/api/v1/query_range?query=%7Bservice_name%3D%22checkout%22%7D&start=" + from
	var text string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		_, text = get(r.t, r.cfg, query, "Authorization", "Bearer s3cret", "X-Scope-OrgID", tenant)
		n := 0
		for _, line := range want {
			n += strings.Count(text, `"`+line+`"`)
		}
		if n == len(want) && strings.Count(text, `"line of `) == n {
			return
		}
	}
	r.t.Fatalf("tenant %s has not come to %q: %s", tenant, want, text)
}

// TestRetentionFollowsTheFile: a tenant's retention, by age and by size, changes
// with the file and without a restart; another tenant's records stay.
func TestRetentionFollowsTheFile(t *testing.T) {
	r := &retained{t: t, file: filepath.Join(t.TempDir(), "clew.yaml")}
	r.put("storage: {retention: {logs: 30d}}")
	r.cfg = started(t, func(c *config.Config) {
		c.File, c.Server.ReloadInterval = r.file, model.Duration(10*time.Millisecond)
		c.Auth = auth.Config{Type: "token", Tokens: []auth.Token{{Name: "shop", Token: "s3cret", Tenants: []string{"shop", "bank"}}}}
		who := c.Auth
		c.Again = func() (config.Config, error) {
			next, err := config.Load(r.file)
			next.Auth = who
			return next, err
		}
		c.Storage.Local.FlushAge, c.Storage.Local.MaintainEvery = model.Duration(time.Millisecond), model.Duration(10*time.Millisecond)
	})
	for _, tenant := range []string{"shop", "bank"} {
		for line, days := range map[string]int{"line of today": 0, "line of 3 days ago": 3, "line of 6 days ago": 6} {
			r.send(tenant, line, days)
		}
	}
	all := []string{"line of today", "line of 3 days ago", "line of 6 days ago"}
	r.await("shop", all...)
	r.put("storage: {retention: {logs: 30d, tenants: {shop: {logs: 4d}}}}")
	r.await("shop", all[:2]...)
	r.await("bank", all...)
	r.put("storage: {retention: {logs: 30d, tenants: {shop: {logs: wrong}, bank: {logs: 1d}}}}")
	r.put("storage: {retention: {logs: 30d, tenants: {shop: {logs: 4d}, bank: {logs_bytes: 1}}}}")
	r.await("bank", all[0]) // the newest stays whatever its size
	r.await("shop", all[:2]...)
	r.put("storage: {retention: {logs: 1d}}")
	r.await("shop", all[0])
}
