package guard

import (
	"context"
	"log/slog"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// Switch is a breaker that an operator can open and close.
type Switch interface {
	// Trip opens it until Reset, whatever the dependency does: why is shown to
	// who asks.
	Trip(why string)
	// Reset closes it, also one that has opened by itself.
	Reset()
	// State is closed, open or half_open.
	State() string
}

func name(s circuitbreaker.State) string {
	switch s {
	case circuitbreaker.OpenState:
		return Open
	case circuitbreaker.HalfOpenState:
		return HalfOpen
	}
	return Closed
}

// State implements Switch.
func (g *Guard[R]) State() string {
	if g.heldBy() != "" {
		return Open
	}
	return name(g.breaker.State())
}

func (g *Guard[R]) changed(from, to string) {
	if g.heldBy() != "" {
		return // it is open all along
	}
	g.metrics.to(to)
	level := slog.LevelInfo
	if to == Open {
		level = slog.LevelWarn
	}
	g.log.Log(context.Background(), level, "a circuit breaker changed", "dependency", g.cfg.Name, "from", from, "to", to, "last_error", g.LastError())
}

// Trip implements Switch.
func (g *Guard[R]) Trip(why string) {
	g.mu.Lock()
	g.held, g.lastErr = why, why
	g.mu.Unlock()
	g.metrics.to(Open)
	g.log.Warn("a circuit breaker was opened by hand", "dependency", g.cfg.Name, "why", why)
}

// Reset implements Switch.
func (g *Guard[R]) Reset() {
	g.mu.Lock()
	held := g.held != ""
	g.held, g.lastErr = "", ""
	g.mu.Unlock()
	if held && g.breaker.IsClosed() {
		g.metrics.to(Closed)
	}
	g.breaker.Close()
	g.log.Info("a circuit breaker was closed by hand", "dependency", g.cfg.Name)
}

func (g *Guard[R]) heldBy() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}
