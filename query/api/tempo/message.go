package tempo

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"

	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/telemetry"
)

// The messages of Tempo's API, with their JSON names. Their protobuf form is
// in wire.go.
type (
	searchResponse struct {
		Traces  []traceMetadata `json:"traces"`
		Metrics searchMetrics   `json:"metrics"`
	}
	searchMetrics struct {
		InspectedTraces uint32 `json:"inspectedTraces,omitempty"`
		InspectedBytes  uint64 `json:"inspectedBytes,string,omitempty"`
		TotalBlocks     uint32 `json:"totalBlocks,omitempty"`
		CompletedJobs   uint32 `json:"completedJobs,omitempty"`
		TotalJobs       uint32 `json:"totalJobs,omitempty"`
		InspectedSpans  uint64 `json:"inspectedSpans,string,omitempty"`
	}
	traceMetadata struct {
		TraceID           string                  `json:"traceID"`
		RootServiceName   string                  `json:"rootServiceName,omitempty"`
		RootTraceName     string                  `json:"rootTraceName,omitempty"`
		StartTimeUnixNano uint64                  `json:"startTimeUnixNano,string,omitempty"`
		DurationMs        uint32                  `json:"durationMs,omitempty"`
		SpanSet           *spanSet                `json:"spanSet,omitempty"`
		SpanSets          []*spanSet              `json:"spanSets,omitempty"`
		ServiceStats      map[string]serviceStats `json:"serviceStats,omitempty"`
	}
	serviceStats struct {
		SpanCount  uint32 `json:"spanCount,omitempty"`
		ErrorCount uint32 `json:"errorCount,omitempty"`
	}
	spanSet struct {
		Spans      []spanMessage `json:"spans,omitempty"`
		Matched    uint32        `json:"matched,omitempty"`
		Attributes []keyValue    `json:"attributes,omitempty"`
	}
	spanMessage struct {
		SpanID            string     `json:"spanID,omitempty"`
		Name              string     `json:"name,omitempty"`
		StartTimeUnixNano uint64     `json:"startTimeUnixNano,string,omitempty"`
		DurationNanos     uint64     `json:"durationNanos,string,omitempty"`
		Attributes        []keyValue `json:"attributes,omitempty"`
	}
	keyValue struct {
		Key   string   `json:"key"`
		Value anyValue `json:"value"`
	}
)

// anyValue is OpenTelemetry's AnyValue in protobuf's JSON mapping.
type anyValue struct{ v telemetry.Value }

// MarshalJSON writes the one field that is set; {} for an empty value.
func (a anyValue) MarshalJSON() ([]byte, error) { return appendAny(nil, a.v), nil }

func appendAny(b []byte, v telemetry.Value) []byte {
	switch v.Kind() {
	case telemetry.KindString:
		return append(appendJSONString(append(b, `{"stringValue":`...), v.Str()), '}')
	case telemetry.KindBool:
		return append(strconv.AppendBool(append(b, `{"boolValue":`...), v.Bool()), '}')
	case telemetry.KindInt:
		return append(strconv.AppendInt(append(b, `{"intValue":"`...), v.Int(), 10), `"}`...)
	case telemetry.KindDouble:
		return append(appendDouble(append(b, `{"doubleValue":`...), v.Double()), '}')
	case telemetry.KindBytes:
		b = append(b, `{"bytesValue":"`...)
		return append(base64.StdEncoding.AppendEncode(b, []byte(v.Str())), `"}`...)
	case telemetry.KindArray:
		b = append(b, `{"arrayValue":{"values":[`...)
		for i, e := range v.List() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendAny(b, e)
		}
		return append(b, `]}}`...)
	case telemetry.KindMap:
		b = append(b, `{"kvlistValue":{"values":`...)
		return append(appendAttrs(b, v.Map()), `}}`...)
	}
	return append(b, `{}`...)
}

// appendDouble writes a number; what JSON has no number for becomes a string,
// as protobuf's mapping says.
func appendDouble(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

// number is a float64 that may be NaN.
type number float64

// MarshalJSON writes NaN and the infinities as strings.
func (n number) MarshalJSON() ([]byte, error) { return appendDouble(nil, float64(n)), nil }

// fromStatic turns a value of the language into an AnyValue as Tempo does:
// durations, statuses and kinds as their text.
func fromStatic(s syntax.Static) telemetry.Value {
	switch s.Type {
	case syntax.TypeInt:
		return telemetry.Int(s.AsInt())
	case syntax.TypeFloat:
		return telemetry.Double(s.AsFloat())
	case syntax.TypeBool:
		return telemetry.Bool(s.IsTrue())
	case syntax.TypeArray:
		list := make([]telemetry.Value, 0, len(s.List()))
		for _, e := range s.List() {
			list = append(list, fromStatic(e))
		}
		return telemetry.Array(list)
	}
	return telemetry.String(s.Text())
}

func keyValues(attrs []traceql.Attr) []keyValue {
	out := make([]keyValue, 0, len(attrs))
	for _, a := range attrs {
		out = append(out, keyValue{a.Key, anyValue{flat(fromStatic(a.Value))}})
	}
	return out
}

// flat turns a list into its one element or its JSON text: the lists of OTLP
// bring Grafana's search down.
func flat(v telemetry.Value) telemetry.Value {
	if v.Kind() != telemetry.KindArray {
		return v
	}
	if list := v.List(); len(list) == 1 {
		return flat(list[0])
	}
	return telemetry.String(v.Text())
}

// noRoot is what Tempo shows where a trace's root span is not stored.
const noRoot = "<root span not yet received>"

func newTraceMetadata(t *traceql.TraceResult) traceMetadata {
	m := traceMetadata{
		TraceID: t.TraceID.String(), RootServiceName: t.RootService, RootTraceName: t.RootName,
		StartTimeUnixNano: uint64(t.Start),
		DurationMs:        uint32(min(t.Duration/time.Millisecond, math.MaxUint32)),
		ServiceStats:      make(map[string]serviceStats, len(t.Services)),
	}
	if !t.HasRoot {
		m.RootServiceName = noRoot
	}
	for _, s := range t.Services {
		m.ServiceStats[s.Service] = serviceStats{SpanCount: uint32(s.Spans), ErrorCount: uint32(s.Errors)}
	}
	for i := range t.Spansets {
		m.SpanSets = append(m.SpanSets, newSpanSet(&t.Spansets[i]))
	}
	if len(m.SpanSets) > 0 {
		m.SpanSet = m.SpanSets[0]
	}
	return m
}

func newSpanSet(s *traceql.SpansetResult) *spanSet {
	out := &spanSet{Matched: uint32(s.Matched), Attributes: keyValues(s.Attrs)}
	for i := range s.Spans {
		sp := &s.Spans[i]
		m := spanMessage{
			SpanID: sp.Span.SpanID.String(), StartTimeUnixNano: uint64(sp.Span.Start),
			DurationNanos: uint64(sp.Span.Duration()), Attributes: keyValues(sp.Attrs),
		}
		if sp.Named {
			m.Name = sp.Span.Name
		}
		out.Spans = append(out.Spans, m)
	}
	return out
}

func newSearchMetrics(s *traceql.Stats) searchMetrics {
	return searchMetrics{
		InspectedTraces: uint32(min(s.InspectedTraces, math.MaxUint32)),
		InspectedBytes:  uint64(s.InspectedBytes), InspectedSpans: uint64(s.InspectedSpans),
		TotalBlocks: uint32(min(s.Blocks, math.MaxUint32)), CompletedJobs: 1, TotalJobs: 1,
	}
}
