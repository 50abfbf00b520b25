package kubevents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"

	"github.com/clewhq/clew/internal/wait"
)

// events is the receiver: a watcher for each namespace.
type events struct {
	config *Config
	id     component.ID
	log    *zap.Logger
	next   consumer.Logs
	now    func() time.Time

	store   storage.Client // nil without storage
	api     *api
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// Start begins to watch. That the API server cannot be reached at the moment is
// no reason not to start.
func (e *events) Start(ctx context.Context, host component.Host) error {
	var err error
	if e.api, err = newAPI(e.config); err != nil {
		return err
	}
	if e.config.Storage != nil {
		if e.store, err = openStore(ctx, host, *e.config.Storage, e.id); err != nil {
			return err
		}
	}
	// Not ctx: that one ends when starting has ended.
	ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	namespaces := e.config.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	for _, ns := range namespaces {
		w := &watcher{events: e, namespace: ns}
		if err := w.load(ctx); err != nil {
			e.cancel()
			return err
		}
		e.running.Go(func() { w.run(ctx) })
	}
	return nil
}

func openStore(ctx context.Context, host component.Host, from, id component.ID) (storage.Client, error) {
	ext, ok := host.GetExtensions()[from].(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("open storage %q: no such storage extension; name one that stands under service.extensions", from)
	}
	store, err := ext.GetClient(ctx, component.KindReceiver, id, "")
	if err != nil {
		return nil, fmt.Errorf("open storage %q: %w", from, err)
	}
	return store, nil
}

// Shutdown ends the watches.
func (e *events) Shutdown(ctx context.Context) error {
	if e.cancel == nil {
		return nil // was never started
	}
	e.cancel()
	e.running.Wait()
	e.api.client.CloseIdleConnections()
	if e.store == nil {
		return nil
	}
	return e.store.Close(ctx)
}

// position is how far a watcher has come: all events up to a version, or where
// that is empty all that happened until Seen.
type position struct {
	Version string    `json:"version"`
	Seen    time.Time `json:"seen"`
}

// watcher watches the events of a namespace, "" for all.
type watcher struct {
	*events
	namespace string
	at        position
}

func (w *watcher) key() string { return "position of " + w.namespace }

func (w *watcher) load(ctx context.Context) error {
	if w.store == nil {
		w.at.Seen = w.now()
		return nil
	}
	text, err := w.store.Get(ctx, w.key())
	if err != nil {
		return fmt.Errorf("read how far the watch had come: %w", err)
	}
	if text == nil {
		return nil // the first start: all that the API server still has is news
	}
	if err := json.Unmarshal(text, &w.at); err != nil {
		return fmt.Errorf("read how far the watch had come: %w", err)
	}
	return nil
}

// moved keeps how far the watcher has come. Where that fails events may come
// twice after a restart, which is no reason to stop.
func (w *watcher) moved(ctx context.Context, version string) {
	w.at.Version = version
	if w.store == nil {
		return
	}
	text, err := json.Marshal(w.at)
	if err == nil {
		err = w.store.Set(context.WithoutCancel(ctx), w.key(), text)
	}
	if err != nil {
		w.log.Warn("cannot keep how far the watch of events has come", zap.Error(err))
	}
}

// run lists and watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	pause := w.config.RetryInitial
	for ctx.Err() == nil {
		began := w.now()
		err := w.turn(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errGone):
			w.log.Info("the API server has forgotten what was seen last: listing events anew", zap.String("namespace", w.namespace))
			w.at.Version = ""
		case err != nil:
			w.log.Warn("cannot watch events; trying again", zap.String("namespace", w.namespace), zap.Duration("in", pause), zap.Error(err))
		}
		if w.now().Sub(began) > w.config.RetryMax {
			pause = w.config.RetryInitial // it went well for a while
		}
		if wait.For(ctx, pause) != nil {
			return
		}
		if pause = min(2*pause, w.config.RetryMax); err == nil {
			pause = w.config.RetryInitial
		}
	}
}

// turn lists where it is not known how far the watch has come, and watches.
func (w *watcher) turn(ctx context.Context) error {
	if w.at.Version == "" {
		seen := w.at.Seen
		version, err := w.api.list(ctx, w.namespace, func(page []event) error {
			for i := range page {
				// Times are of whole seconds: one of the last second may be new.
				if page[i].at().Before(seen) {
					continue
				}
				if err := w.hand(ctx, &page[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		w.moved(ctx, version)
	}
	return w.api.watch(ctx, w.namespace, w.at.Version, func(c change) error {
		if c.Type == "ADDED" || c.Type == "MODIFIED" {
			if err := w.hand(ctx, &c.Object); err != nil {
				return err
			}
		}
		if v := c.Object.Metadata.ResourceVersion; v != "" {
			w.moved(ctx, v)
		}
		return nil
	})
}

// hand gives an event to the pipeline until it is taken, or refused for good.
func (w *watcher) hand(ctx context.Context, e *event) error {
	for pause := w.config.RetryInitial; ; pause = min(2*pause, w.config.RetryMax) {
		err := w.next.ConsumeLogs(ctx, record(e, w.config.Cluster))
		if consumererror.IsPermanent(err) {
			w.log.Error("an event was refused: it is lost", zap.String("event", e.Metadata.Name), zap.Error(err))
			err = nil
		}
		if err == nil {
			break
		}
		if wait.For(ctx, pause) != nil {
			return ctx.Err()
		}
	}
	if at := e.at(); at.After(w.at.Seen) {
		w.at.Seen = at
	}
	return nil
}
