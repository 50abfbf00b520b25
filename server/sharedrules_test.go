package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/server/members"
)

// The rules of all rulers are one answer: a group that changes hands stands
// there once, and a ruler that fails is named.
func TestAskAll(t *testing.T) {
	ruler := func(body string) members.Member {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get(ownOnly) == "" || r.Header.Get(tenant.Header) != "team-a" || r.URL.Query().Get("type") != "alert" {
				t.Errorf("asked %s with %v", r.URL, r.Header)
			}
			if body == "" {
				http.Error(w, "not now", http.StatusServiceUnavailable)
				return
			}
			_, _ = w.Write([]byte(body)) // the asker may have gone
		}))
		t.Cleanup(s.Close)
		return members.Member{Name: "r" + body[:min(1, len(body))], About: members.About{Target: "ruler", URL: s.URL}}
	}
	rulers := []members.Member{
		ruler(`{"status":"success","data":{"groups":[{"file":"b","name":"y"},{"file":"a","name":"x"}]}}`),
		ruler(`{"status":"success","data":{"groups":[{"file":"a","name":"x"},{"file":"a","name":"z"}]},"warnings":["w"]}`),
		ruler(""),
		ruler("no JSON"),
	}
	r := httptest.NewRequest(http.MethodGet, "/prometheus/api/v1/rules?type=alert", nil)
	r.Header.Set(tenant.Header, "team-a")
	got := askAll(r, rulers, "groups", time.Minute)
	var groups []string
	for _, g := range got.Data["groups"] {
		groups = append(groups, string(g))
	}
	if s := strings.Join(groups, " "); s != `{"file":"a","name":"x"} {"file":"a","name":"z"} {"file":"b","name":"y"}` {
		t.Errorf("groups %s", s)
	}
	if w := strings.Join(got.Warnings, "\n"); len(got.Warnings) != 3 || !strings.Contains(w, "503") || !strings.Contains(w, "not now") || !strings.Contains(w, "invalid character") {
		t.Errorf("warnings:\n%s", w)
	}
}
