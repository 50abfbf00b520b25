package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/client"
	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/correlate/correlatetest"
)

// growing answers with nothing, then with one entry more at every question,
// and ends the test's context behind the last one.
func growing(t *testing.T, entries int) (url string, ctx context.Context) {
	ctx, stop := context.WithCancel(t.Context())
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":"nothing carries this ID"}`)
			return
		}
		var a correlate.Answer
		for i := range min(asked-1, entries) {
			a.Timeline = append(a.Timeline, correlate.Entry{Time: correlatetest.Epoch.Add(time.Duration(i) * time.Second), Type: correlate.TypeLog, Service: "web", Severity: "info", Text: "the same"})
		}
		if asked-1 >= 2 { // twice at the same time is two
			a.Timeline = append(a.Timeline, a.Timeline[0])
		}
		_ = json.NewEncoder(w).Encode(a)
		if asked-1 > entries {
			stop()
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, ctx
}

func TestCorrelateFollow(t *testing.T) {
	for output, want := range map[string]string{
		client.OutputText: "nothing carries this ID yet\n10:00:00.000 web                  INFO the same\n",
		client.OutputJSON: `{"time":"2031-03-01T10:00:00Z","type":"log","service":"web"`,
	} {
		url, ctx := growing(t, 3)
		var out bytes.Buffer
		c, err := client.New(client.Options{Server: url, Output: output}, &out, plainEnv)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CorrelateFollow(ctx, "req-8f3a2b", client.StoryOptions{Hops: -1}, time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.HasPrefix(got, want) || strings.Count(got, "the same") != 4 {
			t.Errorf("%s:\n%s", output, got)
		}
	}
}

func TestCorrelateFollowEndsOnErrors(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"hops is 99"}`)
	}))
	defer srv.Close()
	for id, want := range map[string]string{"x": "hops is 99", " ": "the ID is empty"} {
		c, err := client.New(client.Options{Server: srv.URL, Output: client.OutputText}, &bytes.Buffer{}, plainEnv)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CorrelateFollow(t.Context(), id, client.StoryOptions{Hops: 99}, time.Millisecond); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", id, err, want)
		}
	}
}
