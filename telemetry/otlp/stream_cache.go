package otlp

import (
	"slices"
	"unsafe"

	"github.com/clewhq/clew/telemetry"
)

// Bounds of what a decoder remembers of resources and scopes for the next
// request: more than the services of a node have, and little memory.
const (
	maxCachedStreams = 1024
	maxCachedBytes   = 1 << 20
)

// What a resource or scope and a stream take beside their bytes, with their
// places in the maps, roughly.
const (
	headSize   = 2*int(unsafe.Sizeof(telemetry.Scope{})) + 32
	streamSize = 2 * int(unsafe.Sizeof(telemetry.Stream{}))
)

// streamCache knows the resources and scopes that came before by their bytes,
// and their streams. Those who send, send of the same few again and again, so
// nearly all of them are decoded and hashed once, and their streams shared.
type streamCache struct {
	resources map[string]*telemetry.Resource
	scopes    map[string]*telemetry.Scope
	pairs     map[pair]*telemetry.Stream
	byID      map[telemetry.StreamID]*telemetry.Stream
	bytes     int // of the keys
	key       []byte
}

type pair struct {
	resource *telemetry.Resource
	scope    *telemetry.Scope
}

func (c *streamCache) init() {
	if c.pairs != nil {
		return
	}
	c.resources, c.scopes = map[string]*telemetry.Resource{}, map[string]*telemetry.Scope{}
	c.pairs, c.byID = map[pair]*telemetry.Stream{}, map[telemetry.StreamID]*telemetry.Stream{}
}

// bound forgets everything where that is a lot.
func (c *streamCache) bound() {
	if max(len(c.resources), len(c.scopes), len(c.pairs)) > maxCachedStreams || c.bytes > maxCachedBytes {
		*c = streamCache{}
	}
}

// resource returns what the ResourceLogs or ResourceSpans r is of.
func (d *decoder) resource(r reader, p path) (*telemetry.Resource, error) {
	return cached(d, d.streams.known().resources, r, head{"resource", p.scope}, (*decoder).resourceHead)
}

// scope returns what the ScopeLogs or ScopeSpans r is of.
func (d *decoder) scope(r reader, p path) (*telemetry.Scope, error) {
	return cached(d, d.streams.known().scopes, r, head{"scope", p.record}, (*decoder).scopeHead)
}

func (c *streamCache) known() *streamCache {
	c.init()
	return c
}

// cached returns the decoded head of r. It is decoded from bytes of its own, so
// that whoever keeps it does not keep the request.
func cached[T any](d *decoder, known map[string]*T, r reader, h head, decode func(*decoder, reader, head, *T) error) (*T, error) {
	c := &d.streams
	var err error
	if c.key, err = h.gather(c.key[:0], r); err != nil {
		return nil, err
	}
	if out, ok := known[string(c.key)]; ok {
		return out, nil
	}
	if err := d.charge(headSize+len(c.key), r.pos); err != nil {
		return nil, err
	}
	own := string(c.key)
	fresh := decoder{budget: d.budget}
	out := new(T)
	if decode(&fresh, reader{buf: unsafe.Slice(unsafe.StringData(own), len(own)), end: len(own)}, h, out) != nil {
		// The request itself knows where.
		return nil, decode(&decoder{budget: d.budget}, r, h, new(T))
	}
	d.budget = fresh.budget
	known[own] = out
	c.bytes += len(own)
	return out, nil
}

// stream returns the one Stream of a resource and a scope. What it takes is
// charged to what stands at offset.
func (d *decoder) stream(res *telemetry.Resource, scope *telemetry.Scope, offset int) (*telemetry.Stream, error) {
	c := &d.streams
	at := pair{res, scope}
	if s, ok := c.pairs[at]; ok {
		return s, nil
	}
	if err := d.charge(streamSize, offset); err != nil {
		return nil, err
	}
	s := telemetry.NewStream(*res, *scope)
	if known, ok := c.byID[s.ID]; ok {
		s = known // with attributes in another order
	} else {
		// It may be kept for long: not with what shares a piece of memory.
		s.Resource.Attrs, s.Scope.Attrs = slices.Clone(s.Resource.Attrs), slices.Clone(s.Scope.Attrs)
		c.byID[s.ID] = s
	}
	c.pairs[at] = s
	return s, nil
}
