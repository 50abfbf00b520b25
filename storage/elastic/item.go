package elastic

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/clewhq/clew/storage/elastic/document"
	"github.com/clewhq/clew/storage/local/dedup"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry"
)

// item is a document on its way.
type item struct {
	index  string
	id     string
	tenant string
	signal telemetry.Signal
	kind   itemKind
	stream streamKey // of an itemStream
	doc    []byte
	// refused is set once Elasticsearch has refused it: it is sent once more.
	refused bool
}

// owner is a tenant and a signal, whose records go to one data stream.
type owner struct {
	tenant string
	signal telemetry.Signal
}

func (it *item) owner() owner { return owner{it.tenant, it.signal} }

// ownerOf is whose request a record of the log is, if it is one.
func ownerOf(rec wal.Record) (owner, bool) {
	switch rec.Type {
	case wal.Logs:
		return owner{rec.Tenant, telemetry.Logs}, true
	case wal.Traces:
		return owner{rec.Tenant, telemetry.Traces}, true
	}
	return owner{}, rec.Type != wal.Hashes
}

type itemKind uint8

const (
	itemRecord itemKind = iota
	itemStream          // what is known of a stream, in front of its records
	itemDeadLetter
)

// idHashBytes of a request's hash, and the place of a record in it, are a
// document's ID: 96 bits don't meet by chance.
const idHashBytes = 12

func recordID(h dedup.Hash, n int) string {
	b := append(make([]byte, 0, idHashBytes+binary.MaxVarintLen64), h[:idHashBytes]...)
	if n < 1<<24 {
		b = append(b, byte(n>>16), byte(n>>8), byte(n))
	} else {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// orderOf orders the records of one nanosecond as they came: by when the
// request was received, and as they stand in it.
func orderOf(h dedup.Hash, received int64, n int) document.Order {
	return document.Order{Seq: received + int64(n), Tie: int64(binary.BigEndian.Uint32(h[:4]) >> 8)}
}

// batch is items on their way, and the memory of their documents.
type batch struct {
	items []item
	docs  document.Writer

	// Of those that the drain reads.
	place     *place
	uncertain bool            // some may be in Elasticsearch already
	parks     map[owner]error // whose requests are to be parked, and why, if that is new
}

func (b *batch) park(o owner, why error) {
	if b.parks == nil {
		b.parks = map[owner]error{}
	}
	b.parks[o] = why
}

// batches are empty ones, whose memory is used again.
var batches = sync.Pool{New: func() any { return new(batch) }}

// release gives the memory to others: nothing of the items may be used any
// more.
func (b *batch) release() {
	clear(b.items)
	b.items, b.place, b.uncertain, b.parks = b.items[:0], nil, false, nil
	b.docs.Reset()
	batches.Put(b)
}

func (s *Store) addLogs(b *batch, tenant string, h dedup.Hash, received int64, logs []telemetry.Log) {
	index := s.names.stream(telemetry.Logs, tenant)
	known := announced{tenant: tenant, signal: telemetry.Logs}
	for i := range logs {
		l := &logs[i]
		b.items = s.streams.announce(b.items, &known, l.Stream, l.Time)
		b.items = append(b.items, item{
			index: index, id: recordID(h, i), tenant: tenant, signal: telemetry.Logs, doc: b.docs.Log(l, orderOf(h, received, i)),
		})
	}
}

func (s *Store) addSpans(b *batch, tenant string, h dedup.Hash, received int64, spans []telemetry.Span) {
	index := s.names.stream(telemetry.Traces, tenant)
	known := announced{tenant: tenant, signal: telemetry.Traces}
	for i := range spans {
		sp := &spans[i]
		b.items = s.streams.announce(b.items, &known, sp.Stream, sp.Start)
		b.items = append(b.items, item{
			index: index, id: recordID(h, i), tenant: tenant, signal: telemetry.Traces, doc: b.docs.Span(sp, orderOf(h, received, i)),
		})
	}
}

// writeBulk writes two lines for each item to memory, which takes all. What
// exists is never replaced.
func writeBulk(w io.Writer, items []item) {
	line := make([]byte, 0, 2*lineOverhead)
	for i := range items {
		it := &items[i]
		line = append(line, `{"create":{"_index":"`...)
		line = append(line, it.index...) // names need no escaping
		line = append(line, `","_id":"`...)
		line = append(line, it.id...)
		line = append(line, "\"}}\n"...)
		_, _ = w.Write(line)
		_, _ = w.Write(it.doc)
		line = append(line[:0], '\n') // stands in front of the next one
	}
	_, _ = w.Write(line)
}

// lineOverhead is about what writeBulk adds to a document.
const lineOverhead = 100

// size is about what an item takes in a bulk request.
func (it *item) size() int { return len(it.doc) + lineOverhead }

func size(items []item) int {
	n := 0
	for i := range items {
		n += items[i].size()
	}
	return n
}

// deadLetter is the document that tells of a refused one, with all of it.
func (s *Store) deadLetter(it *item, status int, kind, why string) item {
	doc, err := json.Marshal(map[string]any{
		"@timestamp": s.deps.Now().UTC().Format(time.RFC3339Nano), "tenant": it.tenant, "signal": string(it.signal),
		"index": it.index, "id": it.id, "status": status, "error": map[string]string{"type": kind, "reason": why},
		"document": base64.StdEncoding.EncodeToString(it.doc),
	})
	if err != nil { // nothing in it can fail
		doc = []byte(`{"@timestamp":` + strconv.FormatInt(s.deps.Now().UnixMilli(), 10) + `}`)
	}
	return item{index: s.names.deadLetters(), id: it.id, tenant: it.tenant, signal: it.signal, kind: itemDeadLetter, doc: doc}
}
