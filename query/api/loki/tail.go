package loki

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/gorilla/websocket"
	"github.com/zeebo/xxh3"
)

// tail follows a log query over a WebSocket: what there is of the last time
// first, then what comes in.
func (a *API) tail(w http.ResponseWriter, r *http.Request) {
	t, err := a.tailParams(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if a.alive.Err() != nil {
		writeError(w, http.StatusServiceUnavailable, "unavailable", "the server is stopping")
		return
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	default:
		writeError(w, http.StatusTooManyRequests, "too_many_requests",
			"max concurrent tail requests limit exceeded, count > limit ("+strconv.Itoa(a.cfg.MaxTails)+", max_tails)")
		return
	}
	a.tails.Add(1)
	defer a.tails.Done()
	a.follow(w, r, t)
}

// follow takes the connection over and runs the tail until either side ends it.
func (a *API) follow(w http.ResponseWriter, r *http.Request, t *tailer) {
	// The tenant and the origin have been checked before; browsers come
	// through Grafana's proxy, with Grafana's origin.
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(innermost(w), r, nil)
	if err != nil {
		a.log.Debug("upgrade a tail to a WebSocket", "error", err)
		return
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(tenant.With(a.alive, tenant.From(r.Context())))
	defer cancel()
	gone := make(chan struct{})
	go func() { // ends when the connection does, which run's return closes
		defer close(gone)
		defer cancel()
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	t.conn = conn
	reason := t.run(ctx)
	code := websocket.CloseNormalClosure
	if reason != "" {
		code = websocket.CloseInternalServerErr
	}
	deadline := time.Now().Add(time.Duration(a.cfg.WriteTimeout))
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, cutReason(reason)), deadline)
	conn.Close()
	<-gone
}

// innermost returns the writer that other writers (compression, metrics) are
// wrapped around: a connection can only be taken over there.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = outer.Unwrap()
	}
}

// cutReason keeps a close reason to the length that the protocol allows.
func cutReason(s string) string {
	const most = 120
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// tailer is one tail under way.
type tailer struct {
	api   *API
	conn  *websocket.Conn
	expr  *syntax.LogExpr
	from  int64 // of the next look
	limit int
	delay time.Duration
	seen  map[uint64]int64 // hash of a line to its time, as far back as from
}

func (a *API) tailParams(r *http.Request) (*tailer, error) {
	text, err := requiredQuery(r)
	if err != nil {
		return nil, err
	}
	expr, err := a.engine.Parse(text)
	if err != nil {
		return nil, err
	}
	log, ok := expr.(*syntax.LogExpr)
	if !ok {
		return nil, &paramError{"query", text, "a log query: only lines can be followed"}
	}
	t := &tailer{api: a, expr: log, seen: map[uint64]int64{}}
	if t.limit, err = countParam(r, "limit", a.cfg.DefaultLimit); err != nil {
		return nil, err
	}
	t.limit = min(t.limit, a.engine.Config().MaxEntries)
	now := a.now()
	if t.from, err = timeParam(r, "start", now.Add(-time.Duration(a.cfg.DefaultRange)).UnixNano()); err != nil {
		return nil, err
	}
	const mostDelay = 5 // seconds, as in Loki
	if s := r.Form.Get("delay_for"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > mostDelay {
			return nil, &paramError{"delay_for", s, "a whole number of seconds from 0 to 5"}
		}
		t.delay = time.Duration(n) * time.Second
	}
	return t, nil
}

// run looks for lines until ctx ends; it returns why it stopped by itself.
func (t *tailer) run(ctx context.Context) string {
	tick := time.NewTicker(time.Duration(t.api.cfg.TailInterval))
	defer tick.Stop()
	first := true
	for {
		if err := t.look(ctx, first); err != nil {
			if ctx.Err() != nil {
				return ""
			}
			return err.Error()
		}
		first = false
		select {
		case <-ctx.Done():
			return ""
		case <-tick.C:
		}
	}
}

// look sends the lines that have come since the last look, and those of a
// little before that came late. The first look sends the newest.
func (t *tailer) look(ctx context.Context, first bool) error {
	until := t.api.now().Add(-t.delay).UnixNano() + 1
	if until <= t.from {
		return nil
	}
	p := logql.Params{Start: t.from, End: until, Direction: logql.Forward, Limit: t.api.engine.Config().MaxEntries}
	if first {
		p.Direction, p.Limit = logql.Backward, t.limit
	}
	res, err := t.api.engine.Eval(ctx, tenant.From(ctx), t.expr, p)
	if err != nil {
		return err
	}
	if first {
		slices.Reverse(res.Rows)
	}
	fresh := res.Rows[:0:0]
	for _, row := range res.Rows {
		h := rowHash(row)
		if _, old := t.seen[h]; !old {
			t.seen[h] = row.Time
			fresh = append(fresh, row)
		}
	}
	t.from = max(t.from, until-int64(t.api.cfg.TailOverlap))
	if first && len(res.Rows) == p.Limit {
		// What is older was left out by the limit and is not made good for.
		t.from = max(t.from, res.Rows[0].Time)
	}
	if !first && len(res.Rows) == p.Limit {
		// There is more: go on where this look ended.
		t.from = min(t.from, res.Rows[len(res.Rows)-1].Time)
	}
	for h, at := range t.seen {
		if at < t.from {
			delete(t.seen, h)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return t.send(fresh)
}

func rowHash(row logql.Row) uint64 {
	var b strings.Builder
	b.WriteString(strconv.FormatInt(row.Time, 10))
	b.WriteString(row.Line)
	for _, l := range row.Labels {
		b.WriteString("\xff" + l.Name + "\xff" + l.Value)
	}
	return xxh3.HashString(b.String())
}

func (t *tailer) send(rows []logql.Row) error {
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][2]string       `json:"values"`
	}
	streams := []stream{}
	for _, g := range groupRows(rows, false) {
		s := stream{Stream: map[string]string{}}
		for _, l := range g.labels {
			s.Stream[l.Name] = l.Value
		}
		for _, row := range g.rows {
			s.Values = append(s.Values, [2]string{strconv.FormatInt(row.Time, 10), row.Line})
		}
		streams = append(streams, s)
	}
	if err := t.conn.SetWriteDeadline(time.Now().Add(time.Duration(t.api.cfg.WriteTimeout))); err != nil {
		return err
	}
	return t.conn.WriteJSON(map[string]any{"streams": streams, "dropped_entries": nil})
}
