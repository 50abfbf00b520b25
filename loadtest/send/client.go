package send

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/clewhq/clew/internal/wait"
)

// Signal is what a request carries, as its path on the endpoint spells it.
type Signal string

// The signals.
const (
	Logs    Signal = "logs"
	Traces  Signal = "traces"
	Metrics Signal = "metrics"
)

// errRefused is an answer that another try would not change.
var errRefused = errors.New("refused")

// maxAnswerBytes is how much of an answer is read; answers are short.
const maxAnswerBytes = 1 << 20

// client posts OTLP requests.
type client struct {
	cfg  Config
	http *http.Client
	// sleep waits between tries; tests replace it.
	sleep func(ctx context.Context, d time.Duration) error
}

func newClient(cfg Config) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = cfg.Senders
	return &client{cfg: cfg, http: &http.Client{Transport: transport, Timeout: cfg.Timeout}, sleep: wait.For}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// post sends body until the endpoint takes or refuses it, or the time for
// retries is over. It returns the answer's bytes and how many tries were
// needed besides the first.
func (c *client) post(ctx context.Context, signal Signal, body []byte) (answer []byte, retries int, err error) {
	encoded, err := c.encode(body)
	if err != nil {
		return nil, 0, err
	}
	wait := c.cfg.RetryInitial
	waited := time.Duration(0)
	for {
		answer, after, err := c.once(ctx, signal, encoded)
		if err == nil || errors.Is(err, errRefused) || ctx.Err() != nil {
			return answer, retries, err
		}
		pause := max(after, wait/2+rand.N(wait/2+1))
		if waited+pause > c.cfg.RetryFor {
			return nil, retries, fmt.Errorf("give up after %d tries in %s: %w", retries+1, waited.Round(time.Millisecond), err)
		}
		if err := c.sleep(ctx, pause); err != nil {
			return nil, retries, fmt.Errorf("wait to send %s again: %w", signal, err)
		}
		waited += pause
		wait = min(wait*2, c.cfg.RetryMax)
		retries++
	}
}

func (c *client) encode(body []byte) ([]byte, error) {
	if !c.cfg.Gzip {
		return body, nil
	}
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	if _, err := zw.Write(body); err != nil {
		return nil, fmt.Errorf("compress request: %w", err)
	}
	if err := zw.Close(); err != nil {
		return nil, fmt.Errorf("compress request: %w", err)
	}
	return buf.Bytes(), nil
}

// once sends body once. An error that wraps errRefused is final.
func (c *client) once(ctx context.Context, signal Signal, body []byte) ([]byte, time.Duration, error) {
	url := strings.TrimSuffix(c.cfg.Endpoint, "/") + "/v1/" + string(signal)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, 0, fmt.Errorf("%w: make request to %s: %w", errRefused, url, err)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if c.cfg.Gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	for k, v := range c.cfg.Headers {
		req.Header.Set(k, v)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("post %s: %w", signal, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return nil, 0, fmt.Errorf("read answer to %s: %w", signal, err)
	}
	if resp.StatusCode/100 == 2 {
		return answer, 0, nil
	}
	err = fmt.Errorf("post %s to %s: %s: %q", signal, url, resp.Status, truncate(answer))
	if !retryable(resp.StatusCode) {
		return nil, 0, fmt.Errorf("%w: %w", errRefused, err)
	}
	return nil, retryAfter(resp.Header.Get("Retry-After")), err
}

// retryable reports the status codes that OTLP says to try again after.
func retryable(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func retryAfter(header string) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// truncate keeps error messages to a line's length.
func truncate(b []byte) []byte {
	const most = 300
	return b[:min(len(b), most)]
}
