// Package chaos runs a server and kills it without warning, again and again,
// while somebody works with it. It may import loadtest/serve, and imports
// nothing of clew.
package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/clewhq/clew/internal/wait"
	"github.com/clewhq/clew/loadtest/serve"
)

// Config says what to run and how to treat it.
type Config struct {
	serve.Config
	// Every is the typical time from one kill to the next.
	Every time.Duration
	// Seed decides when the kills come.
	Seed uint64
}

// DefaultConfig kills about once a second.
func DefaultConfig() Config { return Config{Config: serve.DefaultConfig(), Every: time.Second} }

// Validate says what is wrong with c.
func (c Config) Validate() error {
	if c.Every <= 0 {
		return fmt.Errorf("chaos every %s: want a positive time", c.Every)
	}
	return c.Config.Validate()
}

// Server is a running program. Its methods must not be called at once.
type Server struct {
	*serve.Process
	cfg   Config
	rng   *rand.Rand
	kills int
}

// Start runs the program and waits until it is ready.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p, err := serve.Start(ctx, cfg.Config)
	if err != nil {
		return nil, err
	}
	return &Server{Process: p, cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0))}, nil
}

// Kills is how often the program was killed so far.
func (s *Server) Kills() int { return s.kills }

// Torment kills and restarts the program until ctx ends. It returns an error
// where the program did not come back.
func (s *Server) Torment(ctx context.Context) error {
	for {
		pause := s.cfg.Every/2 + time.Duration(s.rng.Int64N(int64(s.cfg.Every)))
		if wait.For(ctx, pause) != nil {
			return nil
		}
		// Begun is finished, also when ctx ends meanwhile.
		if err := s.Restart(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
}

// Restart kills the program as a power cut would, and starts it again.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Kill(); err != nil {
		return err
	}
	s.kills++
	p, err := serve.Start(ctx, s.cfg.Config)
	if err != nil {
		return fmt.Errorf("after %d kills: %w", s.kills, err)
	}
	s.Process = p
	return nil
}
