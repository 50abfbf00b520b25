package admission

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// The attributes with which an agent says where a line stood.
const (
	originFile   = "log.file.path"
	originOffset = "log.file.record_offset"
)

// origins remembers the lines of files that were stored, by where they stood:
// an agent that was killed before it saved how far it had read reads them
// again and puts them into other requests, which no longer look like retries.
// A line counts as the same where file, offset, its own time, its text and who
// it is of are. Lines without a time of their own are never dropped: a file
// that is written anew over and over has the same ones at the same places.
//
// There are two generations, so that forgetting costs nothing: what is in
// neither has not come for a window, or the last limit lines.
type origins struct {
	window time.Duration
	limit  int
	seed   maphash.Seed

	mu       sync.Mutex
	now, old map[uint64]struct{}
	turned   time.Time
}

func newOrigins(window time.Duration, limit int) *origins {
	return &origins{window: window, limit: limit, seed: maphash.MakeSeed(), now: make(map[uint64]struct{})}
}

// key returns what stands for l and whether it has an origin. It wants l as it
// came, before a missing time is filled in.
func (o *origins) key(tenant string, l *telemetry.Log) (uint64, bool) {
	if o.limit == 0 || l.Time == 0 || l.Body.Kind() != telemetry.KindString {
		return 0, false
	}
	file, offset, found := "", int64(0), 0
	for i := range l.Attrs {
		switch a := &l.Attrs[i]; {
		case a.Key == originFile && a.Value.Kind() == telemetry.KindString:
			file = a.Value.Str()
			found++
		case a.Key == originOffset && a.Value.Kind() == telemetry.KindInt:
			offset = a.Value.Int()
			found++
		}
	}
	if found != 2 {
		return 0, false
	}
	var h maphash.Hash
	h.SetSeed(o.seed)
	part := func(s string) {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
		_, _ = h.Write(n[:]) // a hash takes everything
		_, _ = h.WriteString(s)
	}
	part(tenant)
	_, _ = h.Write(l.Stream.ID[:])
	part(file)
	var numbers [16]byte
	binary.LittleEndian.PutUint64(numbers[:], uint64(offset))
	binary.LittleEndian.PutUint64(numbers[8:], uint64(l.Time))
	_, _ = h.Write(numbers[:])
	part(l.Body.Str())
	return h.Sum64(), true
}

// stored reports whether the line of key was stored lately.
func (o *origins) stored(key uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.now[key]; ok {
		return true
	}
	_, ok := o.old[key]
	return ok
}

// add remembers lines that are durable.
func (o *origins) add(keys []uint64, at time.Time) {
	if len(keys) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.now)+len(keys) > o.limit/2 || at.Sub(o.turned) > o.window {
		o.old, o.now, o.turned = o.now, make(map[uint64]struct{}, len(keys)), at
	}
	for _, k := range keys {
		o.now[k] = struct{}{}
	}
}
