package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/clewhq/clew/server/config"
)

// reloader reads the configuration again: when its file changes, on SIGHUP, and
// when it is asked to. What can be changed while the server runs is; the rest
// is named. Safe for concurrent use.
type reloader struct {
	s      *Server
	hangup chan os.Signal

	mu      sync.Mutex
	running config.Config // what holds
	seen    [2]int64      // time and size of the file when it was read last
}

// Reloaded is the answer of `POST /-/reload`.
type Reloaded struct {
	// Changed are the keys whose new values hold now.
	Changed []string `json:"changed"`
	// NeedsRestart are those whose new values wait for a restart.
	NeedsRestart []string `json:"needs_restart"`
}

var errNothingToReload = errors.New("the server was started without a configuration file: start it with --config FILE")

func newReloader(s *Server) *reloader {
	r := &reloader{s: s, running: s.cfg, hangup: make(chan os.Signal, 1)}
	r.seen = r.look()
	// From now on, not from when run gets a processor: SIGHUP ends a process
	// that does not take it.
	signal.Notify(r.hangup, syscall.SIGHUP)
	return r
}

// run reloads until ctx ends.
func (r *reloader) run(ctx context.Context) {
	defer signal.Stop(r.hangup)
	tick := time.NewTicker(time.Duration(r.s.cfg.Server.ReloadInterval))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.hangup:
			_, _ = r.reload() // logged
		case <-tick.C:
			if r.changed() {
				_, _ = r.reload() // logged
			}
		}
	}
}

func (r *reloader) changed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.look()
	same := seen == r.seen
	r.seen = seen
	return !same
}

// look returns time and size of the file, zeroes while it is not there.
func (r *reloader) look() [2]int64 {
	info, err := os.Stat(r.s.cfg.File)
	if err != nil {
		return [2]int64{}
	}
	return [2]int64{info.ModTime().UnixNano(), info.Size()}
}

// reload puts what has changed to work. Where anything is wrong all stays as it
// was.
func (r *reloader) reload() (Reloaded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out, err := r.take()
	switch {
	case err != nil:
		r.s.log.Error("the configuration cannot be taken over; it stays as it was", "file", r.s.cfg.File, "err", err)
	case len(out.NeedsRestart) > 0:
		r.s.log.Warn("the configuration was read again; some of it needs a restart", "changed", strings.Join(out.Changed, ", "), "needs_restart", strings.Join(out.NeedsRestart, ", "))
	default:
		r.s.log.Info("the configuration was read again", "changed", strings.Join(out.Changed, ", "))
	}
	return out, err
}

func (r *reloader) take() (Reloaded, error) {
	out := Reloaded{Changed: []string{}, NeedsRestart: []string{}}
	if r.s.cfg.Again == nil {
		return out, errNothingToReload
	}
	next, err := r.s.cfg.Again()
	if err == nil {
		err = next.Validate()
	}
	if err != nil {
		return out, err
	}
	keys, err := config.Changes(r.running, next)
	if err != nil {
		return out, err
	}
	for _, key := range keys {
		if r.running.Live(key) {
			out.Changed = append(out.Changed, key)
		} else {
			out.NeedsRestart = append(out.NeedsRestart, key)
		}
	}
	return out, r.apply(next)
}

// apply changes what can be changed. Credentials come first: they alone may
// fail, for a file that cannot be read.
func (r *reloader) apply(next config.Config) error {
	next.Auth.Type = r.running.Auth.Type
	renew, err := r.s.renew(next)
	if err != nil {
		return err
	}
	if err := r.s.auth.Set(next.Auth); err != nil {
		return err
	}
	renew()
	if err := r.s.level.UnmarshalText([]byte(next.Telemetry.LogLevel)); err != nil {
		return err
	}
	r.s.limits.set(next)
	if m := r.s.alerts.Load(); m != nil {
		_ = m.Reload() // says itself what is wrong with files of rules
		if strings.Join(next.Alert.Alertmanagers, " ") != strings.Join(r.running.Alert.Alertmanagers, " ") {
			if err := m.SetAlertmanagers(next.Alert.Alertmanagers); err != nil {
				return err
			}
		}
	}
	r.running.Auth, r.running.Telemetry.LogLevel = next.Auth, next.Telemetry.LogLevel
	r.running.Limits, r.running.Alert.Alertmanagers = next.Limits, next.Alert.Alertmanagers
	r.running.Storage.Elasticsearch.Credentials = next.Storage.Elasticsearch.Credentials
	r.running.Storage.Metrics.Remote.Credentials = next.Storage.Metrics.Remote.Credentials
	if r.running.Storage.Backend == config.BackendLocal {
		keep := next.Storage.Retention
		keep.Metrics = r.running.Storage.Retention.Metrics
		r.running.Storage.Retention = keep
	}
	return nil
}

// renew prepares the credentials that stores elsewhere are called with, and
// returns what puts them to work.
func (s *Server) renew(next config.Config) (use func(), err error) {
	records, samples := func() {}, func() {}
	if s.stores.elastic != nil {
		if records, err = s.stores.elastic.Renew(next.Storage.Elasticsearch.Credentials); err != nil {
			return nil, fmt.Errorf("storage.elasticsearch: %w", err)
		}
	}
	if s.stores.remote != nil {
		if samples, err = s.stores.remote.Renew(next.Storage.Metrics.Remote.Credentials); err != nil {
			return nil, fmt.Errorf("storage.metrics.remote: %w", err)
		}
	}
	return func() { records(); samples() }, nil
}

// serve is POST /-/reload.
func (r *reloader) serve(w http.ResponseWriter, _ *http.Request) {
	out, err := r.reload()
	if err != nil {
		writeError(w, http.StatusBadRequest, "the configuration stays as it was: "+err.Error())
		return
	}
	writeJSON(w, http.StatusOK, out)
}
