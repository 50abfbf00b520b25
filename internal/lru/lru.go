// Package lru keeps values up to a number of bytes, those that were used last.
// It imports nothing of clew.
package lru

import (
	"container/list"
	"sync"
)

// biggest is the part of a cache that one value may take.
const biggest = 16

// Cache keeps values by key. It is safe for concurrent use.
type Cache[V any] struct {
	most int64 // bytes

	mu    sync.Mutex
	bytes int64
	used  list.List // of *entry[V], the one used last in front
	index map[string]*list.Element
}

type entry[V any] struct {
	key   string
	value V
	bytes int64
}

// New returns a cache of that many bytes; one of none keeps nothing.
func New[V any](most int64) *Cache[V] {
	return &Cache[V]{most: most, index: map[string]*list.Element{}}
}

// On reports whether the cache keeps anything.
func (c *Cache[V]) On() bool { return c.most > 0 }

// Get returns what is kept under a key.
func (c *Cache[V]) Get(key string) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.index[key]
	if !ok {
		return value, false
	}
	c.used.MoveToFront(e)
	return e.Value.(*entry[V]).value, true
}

// Put keeps a value, which takes about so many bytes, in the place of what was
// there. A value that is too big for the cache is not kept.
func (c *Cache[V]) Put(key string, value V, bytes int64) {
	if bytes > c.most/biggest {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.index[key]; ok {
		c.remove(e)
	}
	c.index[key] = c.used.PushFront(&entry[V]{key, value, bytes})
	c.bytes += bytes
	for c.bytes > c.most {
		c.remove(c.used.Back())
	}
}

func (c *Cache[V]) remove(e *list.Element) {
	old := c.used.Remove(e).(*entry[V])
	delete(c.index, old.key)
	c.bytes -= old.bytes
}
