package server

import (
	"sync/atomic"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/storage/local"
)

// limits are those in force, and the retention: a reload changes them. Safe for
// concurrent use.
type limits struct {
	now   atomic.Pointer[config.Limits]
	keep  atomic.Pointer[config.Retention]
	whole bool // every tenant's retention is followed, not that of all alone
}

func newLimits(cfg config.Config) *limits {
	l := &limits{whole: cfg.Storage.Backend == config.BackendLocal}
	l.now.Store(&cfg.Limits)
	l.keep.Store(&cfg.Storage.Retention)
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

// set makes those of cfg what holds.
func (l *limits) set(cfg config.Config) {
	l.now.Store(&cfg.Limits)
	if l.whole {
		// Metrics and Elasticsearch have theirs from the start.
		keep := cfg.Storage.Retention
		keep.Metrics = l.keep.Load().Metrics
		l.keep.Store(&keep)
	}
}
