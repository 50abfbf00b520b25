package queuefile

import (
	"context"
	"fmt"
	"sync"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// TypeName is the extension's name in a configuration.
const TypeName = "clew_queue_file"

// NewFactory returns the factory of clew_queue_file.
func NewFactory() extension.Factory {
	files := filestorage.NewFactory()
	create := func(ctx context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
		set.ID = component.NewIDWithName(files.Type(), set.ID.Name())
		inner, err := files.Create(ctx, set, cfg)
		if err != nil {
			return nil, fmt.Errorf("make file storage: %w", err)
		}
		store, ok := inner.(storage.Extension)
		if !ok {
			return nil, fmt.Errorf("make file storage: %T is no storage", inner)
		}
		return queueFile{store}, nil
	}
	return extension.NewFactory(component.MustNewType(TypeName), files.CreateDefaultConfig, create, component.StabilityLevelBeta)
}

// queueFile wraps the clients of a storage extension.
type queueFile struct{ storage.Extension }

// GetClient opens the storage of one queue.
func (q queueFile) GetClient(ctx context.Context, kind component.Kind, owner component.ID, name string) (storage.Client, error) {
	c, err := q.Extension.GetClient(ctx, kind, owner, name)
	if err != nil {
		return nil, err
	}
	return &client{Client: c}, nil
}

// client holds back the deletes of a queue's start. A queue asks for
//
//   - gets alone, then deletes alone, then sets alone, when it starts;
//   - a set and a get in one, to take a request out, and a set and a delete in
//     one, when it was sent: from then on it has started, and its set says
//     that it no longer needs what it wanted deleted.
type client struct {
	storage.Client

	mu      sync.Mutex
	held    []*storage.Operation
	started bool
}

// Batch does ops, and what was held back as soon as that is safe.
func (c *client) Batch(ctx context.Context, ops ...*storage.Operation) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started {
		return c.Client.Batch(ctx, ops...)
	}
	sets, gets, deletes := count(ops)
	switch {
	case deletes > 0 && deletes == len(ops):
		c.held = append(c.held, ops...)
		return nil
	case sets > 0 && gets+deletes > 0:
		all := append(append([]*storage.Operation{}, c.held...), ops...)
		if err := c.Client.Batch(ctx, all...); err != nil {
			return err
		}
		c.held, c.started = nil, true
		return nil
	}
	return c.Client.Batch(ctx, ops...)
}

func count(ops []*storage.Operation) (sets, gets, deletes int) {
	for _, op := range ops {
		switch op.Type {
		case storage.Set:
			sets++
		case storage.Get:
			gets++
		case storage.Delete:
			deletes++
		}
	}
	return sets, gets, deletes
}
