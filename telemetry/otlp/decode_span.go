package otlp

import (
	"fmt"
	"unsafe"

	"github.com/clewhq/clew/telemetry"
)

const (
	eventSize = int(unsafe.Sizeof(telemetry.Event{}))
	linkSize  = int(unsafe.Sizeof(telemetry.Link{}))
)

var (
	spanFields = []string{1: "trace_id", 2: "span_id", 3: "trace_state", 4: "parent_span_id", 5: "name", 6: "kind",
		7: "start_time_unix_nano", 8: "end_time_unix_nano", 9: "attributes", 10: "dropped_attributes_count",
		11: "events", 12: "dropped_events_count", 13: "links", 14: "dropped_links_count", 15: "status", 16: "flags"}
	eventFields = []string{1: "time_unix_nano", 2: "name", 3: "attributes", 4: "dropped_attributes_count"}
	linkFields  = []string{1: "trace_id", 2: "span_id", 3: "trace_state", 4: "attributes", 5: "dropped_attributes_count", 6: "flags"}
)

// span reads a Span into s, the i-th of the batch.
func (d *decoder) span(r reader, s *telemetry.Span, i int) error {
	attrs, events, links := d.attrs.mark(), d.events.mark(), d.links.mark()
	for r.more() {
		num, wire, err := r.field()
		if err == nil {
			err = d.spanField(&r, num, wire, s, i)
		}
		if err != nil {
			return inField(err, spanFields, num)
		}
	}
	s.Attrs = d.attrs.take(attrs)
	s.Events = d.events.take(events)
	s.Links = d.links.take(links)
	return nil
}

func (d *decoder) spanField(r *reader, num, wire int, s *telemetry.Span, i int) (err error) {
	switch num {
	case 1:
		err = d.id(r, wire, s.TraceID[:], i, "trace_id")
	case 2:
		err = d.id(r, wire, s.SpanID[:], i, "span_id")
	case 3:
		s.TraceState, err = r.text(wire)
	case 4:
		err = d.id(r, wire, s.ParentID[:], i, "parent_span_id")
	case 5:
		s.Name, err = r.text(wire)
	case 6:
		var n uint8
		n, err = r.enum(wire)
		s.Kind = telemetry.SpanKind(n)
	case 7:
		s.Start, err = r.time(wire)
	case 8:
		s.End, err = r.time(wire)
	case 9:
		err = d.attr(r, wire, 0)
	case 10:
		s.Dropped, err = r.uint32(wire)
	case 11:
		err = d.event(r, wire)
	case 12:
		s.DroppedEvents, err = r.uint32(wire)
	case 13:
		err = d.link(r, wire, i)
	case 14:
		s.DroppedLinks, err = r.uint32(wire)
	case 15:
		err = d.status(r, wire, s)
	case 16:
		s.Flags, err = r.fixed32(wire)
	default:
		err = r.skip(wire)
	}
	return err
}

func (d *decoder) status(r *reader, wire int, s *telemetry.Span) error {
	sub, err := r.message(wire)
	for err == nil && sub.more() {
		var num, wire int
		if num, wire, err = sub.field(); err != nil {
			break
		}
		switch num {
		case 2:
			s.StatusMessage, err = sub.text(wire)
		case 3:
			var n uint8
			n, err = sub.enum(wire)
			s.Status = telemetry.StatusCode(n)
		default:
			err = sub.skip(wire)
		}
		if err != nil {
			return inField(err, []string{2: "message", 3: "code"}, num)
		}
	}
	return err
}

// event reads the Event field at hand and pushes it on the stack of events.
// The span's own attributes lie below the event's on theirs.
func (d *decoder) event(r *reader, wire int) error {
	sub, err := r.message(wire)
	if err != nil {
		return err
	}
	if err := d.charge(eventSize, sub.pos); err != nil {
		return err
	}
	var e telemetry.Event
	mark := d.attrs.mark()
	for sub.more() {
		num, wire, err := sub.field()
		if err == nil {
			switch num {
			case 1:
				e.Time, err = sub.time(wire)
			case 2:
				e.Name, err = sub.text(wire)
			case 3:
				err = d.attr(&sub, wire, 0)
			case 4:
				e.Dropped, err = sub.uint32(wire)
			default:
				err = sub.skip(wire)
			}
		}
		if err != nil {
			return inField(err, eventFields, num)
		}
	}
	e.Attrs = d.attrs.take(mark)
	d.events.push(e)
	return nil
}

// link reads the Link field at hand of the i-th span and pushes it on the
// stack of links.
func (d *decoder) link(r *reader, wire, i int) error {
	sub, err := r.message(wire)
	if err != nil {
		return err
	}
	if err := d.charge(linkSize, sub.pos); err != nil {
		return err
	}
	var l telemetry.Link
	mark := d.attrs.mark()
	for sub.more() {
		num, wire, err := sub.field()
		if err == nil {
			err = d.linkField(&sub, num, wire, &l, i)
		}
		if err != nil {
			return inField(err, linkFields, num)
		}
	}
	l.Attrs = d.attrs.take(mark)
	d.links.push(l)
	return nil
}

func (d *decoder) linkField(r *reader, num, wire int, l *telemetry.Link, i int) (err error) {
	switch num {
	case 1:
		err = d.id(r, wire, l.TraceID[:], i, "links.trace_id")
	case 2:
		err = d.id(r, wire, l.SpanID[:], i, "links.span_id")
	case 3:
		l.TraceState, err = r.text(wire)
	case 4:
		err = d.attr(r, wire, 0)
	case 5:
		l.Dropped, err = r.uint32(wire)
	case 6:
		l.Flags, err = r.fixed32(wire)
	default:
		err = r.skip(wire)
	}
	return err
}

// id reads an ID field of the i-th record into dst. One of a wrong length is
// no ID: it stays zero and is reported as a problem of that record alone.
func (d *decoder) id(r *reader, wire int, dst []byte, i int, field string) error {
	n, err := r.length(wire)
	if err != nil {
		return err
	}
	clear(dst)
	switch n {
	case len(dst):
		copy(dst, r.buf[r.pos:])
	case 0:
	default:
		d.problems = append(d.problems, Problem{Record: i, Field: field,
			Reason: fmt.Sprintf("%d bytes, want %d", n, len(dst))})
	}
	r.pos += n
	return nil
}
