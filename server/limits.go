package server

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/storage/local"
)

// limits are those in force, and the retention. They follow the configuration
// file while the server runs. Safe for concurrent use.
type limits struct {
	file  string
	every time.Duration
	log   *slog.Logger
	now   atomic.Pointer[config.Limits]
	keep  atomic.Pointer[config.Retention]
	whole bool     // every tenant's retention is followed, not that of all alone
	seen  [2]int64 // time and size of the file when it was read last
}

func newLimits(cfg config.Config, log *slog.Logger) *limits {
	l := &limits{file: cfg.File, every: time.Duration(cfg.Server.ReloadInterval), log: log}
	l.now.Store(&cfg.Limits)
	l.keep.Store(&cfg.Storage.Retention)
	l.whole = cfg.Storage.Backend == config.BackendLocal
	l.seen = l.look()
	return l
}

// of returns the limits of a tenant.
func (l *limits) of(tenant string) admission.Limits { return l.now.Load().Of(tenant) }

// retention is that of logs and spans.
func (l *limits) retention() local.Retention { return l.keep.Load().Records() }

// maxAge is how old a tenant's records may be when they come.
func (l *limits) maxAge(tenant string) admission.MaxAge {
	if !l.whole {
		tenant = ""
	}
	return l.keep.Load().MaxAge(tenant)
}

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
	if l.whole {
		// Metrics and Elasticsearch have theirs from the start.
		keep := cfg.Storage.Retention
		keep.Metrics = l.keep.Load().Metrics
		l.keep.Store(&keep)
	}
	l.log.Info("limits and the retention of logs and spans were read again; everything else waits for a restart", "file", l.file)
}
