package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// tailMessage is what Loki's tail sends.
type tailMessage struct {
	Streams []stream `json:"streams"`
	Dropped []any    `json:"dropped_entries"`
}

// follow prints lines as they come in, from start on, until ctx ends.
func (c *Client) follow(ctx context.Context, query string, start time.Time, limit int) error {
	q := url.Values{"query": {query}, "start": {nanos(start)}}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	target := "ws" + strings.TrimPrefix(c.url("/loki/api/v1/tail", q), "http")
	h := c.header()
	conn, res, err := websocket.DefaultDialer.DialContext(ctx, target, h)
	if err != nil {
		return c.tailRefused(res, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends the read below
	defer stop()
	defer conn.Close()
	paints := colours{}
	for {
		_, body, err := conn.ReadMessage()
		switch {
		case ctx.Err() != nil:
			return nil
		case websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway):
			return failedf("the server ended the tail: %w", err)
		case err != nil:
			return failedf("the tail broke: %w", err)
		}
		var m tailMessage
		if err := json.Unmarshal(body, &m); err != nil {
			return failedf("read a message of the tail: %w", err)
		}
		if err := c.showTail(&m, paints); err != nil {
			return err
		}
	}
}

func (c *Client) showTail(m *tailMessage, paints colours) error {
	result, err := json.Marshal(m.Streams)
	if err != nil {
		return failedf("read a message of the tail: %w", err)
	}
	lines, err := linesOf(result)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if err := c.emitLine(l, paints); err != nil {
			return err
		}
	}
	if len(m.Dropped) > 0 && !c.json() {
		c.printf("%s\n", paint(warnStyle, plural(len(m.Dropped), "line")+" left out: this terminal is too slow"))
	}
	return nil
}

// tailRefused tells why there is no tail.
func (c *Client) tailRefused(res *http.Response, err error) error {
	if res == nil {
		return c.unreachable(err)
	}
	defer res.Body.Close()
	body, readErr := io.ReadAll(io.LimitReader(res.Body, 4*maxErrorText))
	if readErr != nil && !errors.Is(readErr, io.EOF) {
		return failedf("%s: %w", res.Status, err)
	}
	return answerError(res, body)
}
