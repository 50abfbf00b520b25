package cluster

import (
	"context"
	"log/slog"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

func (c *Client) newBreaker() circuitbreaker.CircuitBreaker[[]byte] {
	return circuitbreaker.NewBuilder[[]byte]().
		HandleIf(func(_ []byte, err error) bool { return broken(err) }).
		WithFailureThresholdRatio(c.cfg.BreakerFailures, c.cfg.BreakerRequests).
		WithDelay(time.Duration(c.cfg.BreakerDelay)).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			c.metrics.breaker.WithLabelValues(stateName(e.NewState)).Inc()
			level := slog.LevelInfo
			if e.NewState == circuitbreaker.OpenState {
				level = slog.LevelWarn
			}
			c.log.Log(context.Background(), level, "the circuit breaker of Elasticsearch changed",
				"from", stateName(e.OldState), "to", stateName(e.NewState), "last_error", c.LastError())
		}).
		Build()
}

func stateName(s circuitbreaker.State) string {
	switch s {
	case circuitbreaker.OpenState:
		return "open"
	case circuitbreaker.HalfOpenState:
		return "half_open"
	}
	return "closed"
}

// Breaker is the state of the circuit breaker: closed, open or half_open.
func (c *Client) Breaker() string {
	if c.heldBy() != "" {
		return stateName(circuitbreaker.OpenState)
	}
	return stateName(c.breaker.State())
}

// Trip opens the breaker until Reset, whatever the cluster says: why is shown
// to who asks.
func (c *Client) Trip(why string) {
	c.mu.Lock()
	c.held, c.lastErr = why, why
	c.mu.Unlock()
	c.metrics.breaker.WithLabelValues(stateName(circuitbreaker.OpenState)).Inc()
	c.log.Warn("the circuit breaker of Elasticsearch was opened by hand", "why", why)
}

// Reset closes the breaker, also one that has opened by itself.
func (c *Client) Reset() {
	c.mu.Lock()
	held := c.held != ""
	c.held, c.lastErr = "", ""
	c.mu.Unlock()
	if held && c.breaker.IsClosed() {
		c.metrics.breaker.WithLabelValues(stateName(circuitbreaker.ClosedState)).Inc()
	}
	c.breaker.Close()
	c.log.Info("the circuit breaker of Elasticsearch was closed by hand")
}

func (c *Client) heldBy() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}
