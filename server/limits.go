package server

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/server/config"
)

// limits are those in force. They follow the configuration file while the
// server runs. Safe for concurrent use.
type limits struct {
	file  string
	every time.Duration
	log   *slog.Logger
	now   atomic.Pointer[config.Limits]
	seen  [2]int64 // time and size of the file when it was read last
}

func newLimits(cfg config.Config, log *slog.Logger) *limits {
	l := &limits{file: cfg.File, every: time.Duration(cfg.Server.ReloadInterval), log: log}
	l.now.Store(&cfg.Limits)
	l.seen = l.look()
	return l
}

// of returns the limits of a tenant.
func (l *limits) of(tenant string) admission.Limits { return l.now.Load().Of(tenant) }

// run reads the file again when it changes, until ctx ends.
func (l *limits) run(ctx context.Context) {
	if l.file == "" {
		return
	}
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if seen := l.look(); seen != l.seen {
				l.seen = seen
				l.reload()
			}
		}
	}
}

// look returns time and size of the file, zeroes while it is not there.
func (l *limits) look() [2]int64 {
	info, err := os.Stat(l.file)
	if err != nil {
		return [2]int64{}
	}
	return [2]int64{info.ModTime().UnixNano(), info.Size()}
}

// reload takes the limits of the file over, unless anything in it is wrong.
func (l *limits) reload() {
	cfg, err := config.Load(l.file)
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		l.log.Error("the changed configuration is wrong; the limits stay as they were", "file", l.file, "err", err)
		return
	}
	l.now.Store(&cfg.Limits)
	l.log.Info("limits were read again; everything else waits for a restart", "file", l.file)
}
