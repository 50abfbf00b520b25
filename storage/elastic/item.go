package elastic

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"

	"github.com/clewhq/clew/storage/elastic/document"
	"github.com/clewhq/clew/storage/local/dedup"
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

func (s *Store) logItems(dst []item, tenant string, h dedup.Hash, received int64, logs []telemetry.Log) []item {
	index := s.names.stream(telemetry.Logs, tenant)
	seen := map[streamKey]bool{}
	var docs document.Writer
	for i := range logs {
		l := &logs[i]
		dst = s.streams.announce(dst, seen, tenant, telemetry.Logs, l.Stream, l.Time)
		dst = append(dst, item{
			index: index, id: recordID(h, i), tenant: tenant, signal: telemetry.Logs, doc: docs.Log(l, orderOf(h, received, i)),
		})
	}
	return dst
}

func (s *Store) spanItems(dst []item, tenant string, h dedup.Hash, received int64, spans []telemetry.Span) []item {
	index := s.names.stream(telemetry.Traces, tenant)
	seen := map[streamKey]bool{}
	var docs document.Writer
	for i := range spans {
		sp := &spans[i]
		dst = s.streams.announce(dst, seen, tenant, telemetry.Traces, sp.Stream, sp.Start)
		dst = append(dst, item{
			index: index, id: recordID(h, i), tenant: tenant, signal: telemetry.Traces, doc: docs.Span(sp, orderOf(h, received, i)),
		})
	}
	return dst
}

// appendBulk appends the two lines of an item. What exists is never replaced.
func (it *item) appendBulk(dst []byte) []byte {
	dst = append(dst, `{"create":{"_index":"`...)
	dst = append(dst, it.index...) // names need no escaping
	dst = append(dst, `","_id":"`...)
	dst = append(dst, it.id...)
	dst = append(dst, "\"}}\n"...)
	dst = append(dst, it.doc...)
	return append(dst, '\n')
}

// lineOverhead is about what appendBulk adds to a document.
const lineOverhead = 100

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
