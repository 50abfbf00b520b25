package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/server/config"
)

func TestWithoutID(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1/correlate/req-1":     "/api/v1/correlate/{id}",
		"/tempo/api/traces/abc":       "/tempo/api/traces/{id}",
		"/tempo/api/v2/traces/abc":    "/tempo/api/v2/traces/{id}",
		"/zipkin/api/v2/trace/abc":    "/zipkin/api/v2/trace/{id}",
		"/jaeger/api/traces":          "/jaeger/api/traces",
		"/api/v1/correlate/":          "/api/v1/correlate/",
		"/loki/api/v1/label/x/values": "/loki/api/v1/label/x/values",
		"/":                           "/",
	} {
		if got := withoutID(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// Who asks for an ID does not become part of its story.
func TestQuestionsLeaveNoTraceInStories(t *testing.T) {
	cfg := started(t, func(c *config.Config) { c.Telemetry.SendToSelf = true })
	const asked, request = "/api/v1/correlate/req-0badc0ffee11", "req-5a77e1f0b4"
	if code, text := get(t, cfg, asked, "X-Request-Id", request); code != http.StatusNotFound {
		t.Fatalf("%d %s", code, text)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		_, text := get(t, cfg, "/api/v1/correlate/"+request)
		if strings.Contains(text, `"span"`) && strings.Contains(text, "GET /api/v1/correlate/{id}") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the question itself is not stored: %s", text)
		}
	}
	if code, text := get(t, cfg, asked); code != http.StatusNotFound {
		t.Errorf("the question is an answer: %d %s", code, text)
	}
}
