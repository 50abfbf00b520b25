package otlp_test

import (
	"math"
	"math/rand/v2"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/clewhq/clew/telemetry"
)

// This file holds the reference: OpenTelemetry's own pdata, turned into
// records the obvious way, and random requests made with it.

func wantTime(t pcommon.Timestamp) int64 { return int64(min(uint64(t), math.MaxInt64)) }

func wantByte(n int32) uint8 {
	if n < 0 || n > math.MaxUint8 {
		return 0
	}
	return uint8(n)
}

func wantValue(v pcommon.Value) telemetry.Value {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return telemetry.String(v.Str())
	case pcommon.ValueTypeBool:
		return telemetry.Bool(v.Bool())
	case pcommon.ValueTypeInt:
		return telemetry.Int(v.Int())
	case pcommon.ValueTypeDouble:
		return telemetry.Double(v.Double())
	case pcommon.ValueTypeBytes:
		return telemetry.Bytes(string(v.Bytes().AsRaw()))
	case pcommon.ValueTypeSlice:
		var list []telemetry.Value
		for i := range v.Slice().Len() {
			list = append(list, wantValue(v.Slice().At(i)))
		}
		return telemetry.Array(list)
	case pcommon.ValueTypeMap:
		return telemetry.Map(wantAttrs(v.Map()))
	}
	return telemetry.Value{}
}

func wantAttrs(m pcommon.Map) telemetry.Attrs {
	var out telemetry.Attrs
	for k, v := range m.All() {
		out = append(out, telemetry.Attr{Key: k, Value: wantValue(v)})
	}
	return out
}

func wantStream(r pcommon.Resource, rURL string, s pcommon.InstrumentationScope, sURL string) *telemetry.Stream {
	return telemetry.NewStream(
		telemetry.Resource{Attrs: wantAttrs(r.Attributes()), Dropped: r.DroppedAttributesCount(), SchemaURL: rURL},
		telemetry.Scope{Name: s.Name(), Version: s.Version(), Attrs: wantAttrs(s.Attributes()),
			Dropped: s.DroppedAttributesCount(), SchemaURL: sURL})
}

func wantLogs(ld plog.Logs) []telemetry.Log {
	out := []telemetry.Log{}
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			s := wantStream(rl.Resource(), rl.SchemaUrl(), sl.Scope(), sl.SchemaUrl())
			for _, r := range sl.LogRecords().All() {
				out = append(out, telemetry.Log{
					Stream: s, Time: wantTime(r.Timestamp()), Observed: wantTime(r.ObservedTimestamp()),
					TraceID: telemetry.TraceID(r.TraceID()), SpanID: telemetry.SpanID(r.SpanID()),
					Flags: uint32(r.Flags()), Dropped: r.DroppedAttributesCount(),
					Severity: telemetry.Severity(wantByte(int32(r.SeverityNumber()))), SeverityText: r.SeverityText(),
					EventName: r.EventName(), Body: wantValue(r.Body()), Attrs: wantAttrs(r.Attributes()),
				})
			}
		}
	}
	return out
}

func wantSpans(td ptrace.Traces) []telemetry.Span {
	out := []telemetry.Span{}
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			s := wantStream(rs.Resource(), rs.SchemaUrl(), ss.Scope(), ss.SchemaUrl())
			for _, sp := range ss.Spans().All() {
				out = append(out, wantSpan(s, sp))
			}
		}
	}
	return out
}

func wantSpan(s *telemetry.Stream, sp ptrace.Span) telemetry.Span {
	out := telemetry.Span{
		Stream: s, TraceID: telemetry.TraceID(sp.TraceID()), SpanID: telemetry.SpanID(sp.SpanID()),
		ParentID: telemetry.SpanID(sp.ParentSpanID()), Start: wantTime(sp.StartTimestamp()), End: wantTime(sp.EndTimestamp()),
		Flags: sp.Flags(), Kind: telemetry.SpanKind(wantByte(int32(sp.Kind()))),
		Status: telemetry.StatusCode(wantByte(int32(sp.Status().Code()))), StatusMessage: sp.Status().Message(),
		Dropped: sp.DroppedAttributesCount(), DroppedEvents: sp.DroppedEventsCount(), DroppedLinks: sp.DroppedLinksCount(),
		Name: sp.Name(), TraceState: sp.TraceState().AsRaw(), Attrs: wantAttrs(sp.Attributes()),
	}
	for _, e := range sp.Events().All() {
		out.Events = append(out.Events, telemetry.Event{Time: wantTime(e.Timestamp()), Name: e.Name(),
			Attrs: wantAttrs(e.Attributes()), Dropped: e.DroppedAttributesCount()})
	}
	for _, l := range sp.Links().All() {
		out.Links = append(out.Links, telemetry.Link{TraceID: telemetry.TraceID(l.TraceID()), SpanID: telemetry.SpanID(l.SpanID()),
			TraceState: l.TraceState().AsRaw(), Flags: l.Flags(), Attrs: wantAttrs(l.Attributes()), Dropped: l.DroppedAttributesCount()})
	}
	return out
}

// dice makes random requests; equal seeds make equal ones.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 1))} }

func (d dice) text() string {
	words := []string{"", "a", "GET /cart", "größe ✓", "\x00\"\\\n", "service.name", "0af7651916cd43dd8448eb211c80319c",
		"a rather long text that needs a length of more than one byte to be written on the wire, as most log lines do; " +
			"so it goes on for a while, until it is longer than one hundred and twenty-seven bytes."}
	return words[d.IntN(len(words))]
}

func (d dice) id(dst []byte) {
	if d.IntN(4) == 0 {
		return
	}
	for i := range dst {
		dst[i] = byte(d.Uint32())
	}
}

func (d dice) traceID() (id pcommon.TraceID) { d.id(id[:]); return id }
func (d dice) spanID() (id pcommon.SpanID)   { d.id(id[:]); return id }

func (d dice) number() uint64 { return d.Uint64() >> d.IntN(64) }

func (d dice) value(v pcommon.Value, depth int) {
	switch n := d.IntN(8); {
	case n == 0:
	case n == 1:
		v.SetBool(d.IntN(2) == 0)
	case n == 2:
		v.SetInt(int64(d.number()))
	case n == 3:
		v.SetDouble([]float64{0, 1.5, -3e300, math.Inf(1), math.NaN(), math.Copysign(0, -1)}[d.IntN(6)])
	case n == 4:
		v.SetEmptyBytes().FromRaw([]byte(d.text()))
	case n == 5 && depth > 0:
		s := v.SetEmptySlice()
		for range d.IntN(4) {
			d.value(s.AppendEmpty(), depth-1)
		}
	case n == 6 && depth > 0:
		d.attrs(v.SetEmptyMap(), depth-1)
	default:
		v.SetStr(d.text())
	}
}

func (d dice) attrs(m pcommon.Map, depth int) {
	for range d.IntN(5) {
		d.value(m.PutEmpty(d.text()), depth)
	}
}

func (d dice) resource(r pcommon.Resource) {
	d.attrs(r.Attributes(), 2)
	r.SetDroppedAttributesCount(uint32(d.IntN(2)))
}

func (d dice) scope(s pcommon.InstrumentationScope) {
	s.SetName(d.text())
	s.SetVersion(d.text())
	d.attrs(s.Attributes(), 1)
	s.SetDroppedAttributesCount(uint32(d.IntN(2)))
}

func (d dice) logs() plog.Logs {
	ld := plog.NewLogs()
	for range d.IntN(4) {
		rl := ld.ResourceLogs().AppendEmpty()
		d.resource(rl.Resource())
		rl.SetSchemaUrl(d.text())
		for range d.IntN(3) {
			sl := rl.ScopeLogs().AppendEmpty()
			d.scope(sl.Scope())
			sl.SetSchemaUrl(d.text())
			for range d.IntN(6) {
				d.log(sl.LogRecords().AppendEmpty())
			}
		}
	}
	return ld
}

func (d dice) log(r plog.LogRecord) {
	r.SetTimestamp(pcommon.Timestamp(d.number()))
	r.SetObservedTimestamp(pcommon.Timestamp(d.number()))
	r.SetTraceID(d.traceID())
	r.SetSpanID(d.spanID())
	r.SetFlags(plog.LogRecordFlags(d.Uint32()))
	r.SetDroppedAttributesCount(d.Uint32())
	r.SetSeverityNumber(plog.SeverityNumber(d.IntN(30) - 3))
	r.SetSeverityText(d.text())
	r.SetEventName(d.text())
	d.value(r.Body(), 4)
	d.attrs(r.Attributes(), 4)
}

func (d dice) traces() ptrace.Traces {
	td := ptrace.NewTraces()
	for range d.IntN(4) {
		rs := td.ResourceSpans().AppendEmpty()
		d.resource(rs.Resource())
		rs.SetSchemaUrl(d.text())
		for range d.IntN(3) {
			ss := rs.ScopeSpans().AppendEmpty()
			d.scope(ss.Scope())
			ss.SetSchemaUrl(d.text())
			for range d.IntN(6) {
				d.span(ss.Spans().AppendEmpty())
			}
		}
	}
	return td
}

func (d dice) span(s ptrace.Span) {
	s.SetTraceID(d.traceID())
	s.SetSpanID(d.spanID())
	s.SetParentSpanID(d.spanID())
	s.SetStartTimestamp(pcommon.Timestamp(d.number()))
	s.SetEndTimestamp(pcommon.Timestamp(d.number()))
	s.SetFlags(d.Uint32())
	s.SetKind(ptrace.SpanKind(d.IntN(8) - 1))
	s.Status().SetCode(ptrace.StatusCode(d.IntN(4)))
	s.Status().SetMessage(d.text())
	s.SetName(d.text())
	s.TraceState().FromRaw(d.text())
	s.SetDroppedAttributesCount(d.Uint32())
	s.SetDroppedEventsCount(d.Uint32())
	s.SetDroppedLinksCount(d.Uint32())
	d.attrs(s.Attributes(), 3)
	for range d.IntN(3) {
		e := s.Events().AppendEmpty()
		e.SetName(d.text())
		e.SetTimestamp(pcommon.Timestamp(d.number()))
		e.SetDroppedAttributesCount(d.Uint32())
		d.attrs(e.Attributes(), 3)
	}
	for range d.IntN(3) {
		l := s.Links().AppendEmpty()
		l.SetTraceID(d.traceID())
		l.SetSpanID(d.spanID())
		l.SetFlags(d.Uint32())
		l.TraceState().FromRaw(d.text())
		l.SetDroppedAttributesCount(d.Uint32())
		d.attrs(l.Attributes(), 3)
	}
}
