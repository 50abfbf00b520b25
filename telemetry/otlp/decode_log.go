package otlp

import "github.com/clewhq/clew/telemetry"

var logFields = []string{1: "time_unix_nano", 2: "severity_number", 3: "severity_text", 5: "body", 6: "attributes",
	7: "dropped_attributes_count", 8: "flags", 9: "trace_id", 10: "span_id", 11: "observed_time_unix_nano", 12: "event_name"}

// log reads a LogRecord into l, the i-th of the batch.
func (d *decoder) log(r reader, l *telemetry.Log, i int) error {
	mark := d.attrs.mark()
	for r.more() {
		num, wire, err := r.field()
		if err == nil {
			err = d.logField(&r, num, wire, l, i)
		}
		if err != nil {
			return inField(err, logFields, num)
		}
	}
	l.Attrs = d.attrs.take(mark)
	return nil
}

func (d *decoder) logField(r *reader, num, wire int, l *telemetry.Log, i int) (err error) {
	switch num {
	case 1:
		l.Time, err = r.time(wire)
	case 2:
		var n uint8
		n, err = r.enum(wire)
		l.Severity = telemetry.Severity(n)
	case 3:
		l.SeverityText, err = r.text(wire)
	case 5:
		err = d.value(r, wire, &l.Body, 0)
	case 6:
		err = d.attr(r, wire, 0)
	case 7:
		l.Dropped, err = r.uint32(wire)
	case 8:
		l.Flags, err = r.fixed32(wire)
	case 9:
		err = d.id(r, wire, l.TraceID[:], i, "trace_id")
	case 10:
		err = d.id(r, wire, l.SpanID[:], i, "span_id")
	case 11:
		l.Observed, err = r.time(wire)
	case 12:
		l.EventName, err = r.text(wire)
	default:
		err = r.skip(wire)
	}
	return err
}
