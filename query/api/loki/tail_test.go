package loki

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clewhq/clew/telemetry"
	"github.com/gorilla/websocket"
	"github.com/prometheus/common/model"
)

// wrapped hides what a writer can do beyond writing.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type tailMessage struct {
	Streams []struct {
		Stream map[string]string `json:"stream"`
		Values [][2]string       `json:"values"`
	} `json:"streams"`
	Dropped any `json:"dropped_entries"`
}

func TestTail(t *testing.T) {
	h := newHouse(t)
	h.api.cfg.TailInterval = model.Duration(time.Millisecond)
	var clock atomic.Int64
	clock.Store(now)
	h.api.now = func() time.Time { return time.Unix(clock.Load(), 0) }
	h.fill()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mux.ServeHTTP(wrapped{w}, r) // as compression and metrics do
	}))
	defer srv.Close()
	target := "ws" + strings.TrimPrefix(srv.URL, "http") + prefix + "tail?limit=2&query=" + url.QueryEscape(`{service_name="cart"}`)
	conn, res, err := websocket.DefaultDialer.Dial(target, nil)
	if err != nil {
		t.Fatalf("%v %v", err, res)
	}
	defer conn.Close()
	var m tailMessage
	if err := conn.ReadJSON(&m); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range m.Streams {
		for _, v := range s.Values {
			lines = append(lines, v[0]+" "+v[1])
		}
	}
	if want := "1699999956000000000 GET /cart/18 200,1699999990000000000 stopped"; strings.Join(lines, ",") != want {
		t.Errorf("first: got %v", lines)
	}
	if err := h.api.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("after Close: %v", err)
	}
	if _, res, err := websocket.DefaultDialer.Dial(target, nil); err == nil || res.StatusCode != 503 {
		t.Errorf("a tail was taken after Close: %v", res)
	}
}

// TestTailLooks drives a tailer by hand: late lines come once, none twice.
func TestTailLooks(t *testing.T) {
	h := newHouse(t)
	var sent []string
	srv, client := pipe(t)
	defer client.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			var m tailMessage
			if client.ReadJSON(&m) != nil {
				return
			}
			for _, s := range m.Streams {
				for _, v := range s.Values {
					sent = append(sent, v[1])
				}
			}
		}
	}()
	seconds := int64(now)
	h.api.now = func() time.Time { return time.Unix(seconds, 0) }
	r := httptest.NewRequest("GET", "/?query="+url.QueryEscape(`{app="x"}`), nil)
	_ = r.ParseForm()
	tl, err := h.api.tailParams(r)
	if err != nil {
		t.Fatal(err)
	}
	tl.conn = srv
	add := func(back int64, line string) {
		h.write(attrs("app", "x"), telemetry.Log{Time: back, Body: telemetry.String(line)})
	}
	add(5, "one")
	look := func(first bool) {
		t.Helper()
		if err := tl.look(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	look(true)
	add(3, "late")
	seconds += 2
	add(-1, "new")
	look(false)
	look(false)
	seconds += 60
	look(false)
	srv.Close()
	<-done
	if got := strings.Join(sent, ","); got != "one,late,new" {
		t.Errorf("got %s", got)
	}
}

// pipe returns the two ends of a WebSocket.
func pipe(t *testing.T) (server, client *websocket.Conn) {
	t.Helper()
	conns := make(chan *websocket.Conn, 1)
	srv := httptest.NewServer(upgradeTo(conns))
	t.Cleanup(srv.Close)
	client, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(srv.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return <-conns, client
}
