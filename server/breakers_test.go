package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/clewhq/clew/internal/guard"
)

type toggled struct{ why string }

func (t *toggled) Trip(why string) { t.why = why }
func (t *toggled) Reset()          { t.why = "" }
func (t *toggled) State() string {
	if t.why != "" {
		return guard.Open
	}
	return guard.Closed
}

func TestBreakersByHand(t *testing.T) {
	b := &toggled{}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /api/v1/circuit-breakers/{name}", func(w http.ResponseWriter, r *http.Request) {
		switchBreaker(map[string]guard.Switch{"elasticsearch": b}, w, r)
	})
	for _, c := range []struct {
		name, body string
		code       int
		answer     string
		why        string
	}{
		{"elasticsearch", `{"state":"open","reason":"upgrade"}`, 200, `"state":"open"`, "opened by hand: upgrade"},
		{"elasticsearch", `{"state":"half"}`, 400, "want open or closed", "opened by hand: upgrade"},
		{"elasticsearch", `{"sate":"open"}`, 400, "unknown field", "opened by hand: upgrade"},
		{"elasticsearch", `open`, 400, "no JSON object", "opened by hand: upgrade"},
		{"other", `{"state":"open"}`, 404, "there are: elasticsearch", "opened by hand: upgrade"},
		{"elasticsearch", `{"state":"closed"}`, 200, `"state":"closed"`, ""},
		{"elasticsearch", `{"state":"open"}`, 200, `"state":"open"`, "opened by hand"},
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("PUT", "/api/v1/circuit-breakers/"+c.name, strings.NewReader(c.body)))
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.answer) || b.why != c.why {
			t.Errorf("%s %s: %d %s, breaker %q", c.name, c.body, w.Code, w.Body, b.why)
		}
	}
}
