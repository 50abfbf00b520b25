package tempo

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clewhq/clew/telemetry"
)

// The protobuf form of the messages, by the field numbers of tempo.proto.

func (m *searchResponse) appendProto(b []byte) []byte {
	for i := range m.Traces {
		b = appendMessage(b, 1, m.Traces[i].appendProto)
	}
	return appendMessage(b, 2, m.Metrics.appendProto)
}

func (m *searchMetrics) appendProto(b []byte) []byte {
	b = appendUint(b, 1, uint64(m.InspectedTraces))
	b = appendUint(b, 2, m.InspectedBytes)
	b = appendUint(b, 3, uint64(m.TotalBlocks))
	b = appendUint(b, 4, uint64(m.CompletedJobs))
	b = appendUint(b, 5, uint64(m.TotalJobs))
	return appendUint(b, 7, m.InspectedSpans)
}

func (m *traceMetadata) appendProto(b []byte) []byte {
	b = appendString(b, 1, m.TraceID)
	b = appendString(b, 2, m.RootServiceName)
	b = appendString(b, 3, m.RootTraceName)
	b = appendUint(b, 4, m.StartTimeUnixNano)
	b = appendUint(b, 5, uint64(m.DurationMs))
	if m.SpanSet != nil {
		b = appendMessage(b, 6, m.SpanSet.appendProto)
	}
	for _, s := range m.SpanSets {
		b = appendMessage(b, 7, s.appendProto)
	}
	for name, s := range m.ServiceStats {
		b = appendMessage(b, 8, func(b []byte) []byte {
			b = appendString(b, 1, name)
			return appendMessage(b, 2, func(b []byte) []byte {
				return appendUint(appendUint(b, 1, uint64(s.SpanCount)), 2, uint64(s.ErrorCount))
			})
		})
	}
	return b
}

func (m *spanSet) appendProto(b []byte) []byte {
	for i := range m.Spans {
		b = appendMessage(b, 1, m.Spans[i].appendProto)
	}
	b = appendUint(b, 2, uint64(m.Matched))
	return appendKeyValues(b, 3, m.Attributes)
}

func (m *spanMessage) appendProto(b []byte) []byte {
	b = appendString(b, 1, m.SpanID)
	b = appendString(b, 2, m.Name)
	b = appendUint(b, 3, m.StartTimeUnixNano)
	b = appendUint(b, 4, m.DurationNanos)
	return appendKeyValues(b, 5, m.Attributes)
}

func appendKeyValues(b []byte, field protowire.Number, kvs []keyValue) []byte {
	for i := range kvs {
		b = appendMessage(b, field, func(b []byte) []byte {
			b = appendString(b, 1, kvs[i].Key)
			return appendMessage(b, 2, func(b []byte) []byte { return appendAnyProto(b, kvs[i].Value.v) })
		})
	}
	return b
}

// appendAnyProto appends the fields of an AnyValue. One field of a oneof is
// written even where it holds its type's zero.
func appendAnyProto(b []byte, v telemetry.Value) []byte {
	switch v.Kind() {
	case telemetry.KindString:
		return protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), v.Str())
	case telemetry.KindBool:
		return protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), protowire.EncodeBool(v.Bool()))
	case telemetry.KindInt:
		return protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), uint64(v.Int()))
	case telemetry.KindDouble:
		return appendFixed(b, 4, v.Double())
	case telemetry.KindArray:
		return appendMessage(b, 5, func(b []byte) []byte {
			for _, e := range v.List() {
				b = appendMessage(b, 1, func(b []byte) []byte { return appendAnyProto(b, e) })
			}
			return b
		})
	case telemetry.KindMap:
		return appendMessage(b, 6, func(b []byte) []byte {
			for _, a := range v.Map() {
				b = appendKeyValues(b, 1, []keyValue{{a.Key, anyValue{a.Value}}})
			}
			return b
		})
	case telemetry.KindBytes:
		return protowire.AppendString(protowire.AppendTag(b, 7, protowire.BytesType), v.Str())
	}
	return b
}

// appendFixed appends a double, also zero.
func appendFixed(b []byte, field protowire.Number, f float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), math.Float64bits(f))
}

func (m *queryRangeResponse) appendProto(b []byte) []byte {
	for i := range m.Series {
		b = appendMessage(b, 1, m.Series[i].appendProto)
	}
	b = appendMessage(b, 2, m.Metrics.appendProto)
	return appendStatus(b, m.Status, m.Message)
}

func appendStatus(b []byte, status, message string) []byte {
	if status != "" {
		b = appendUint(b, 3, 1)
	}
	return appendString(b, 4, message)
}

func (m *timeSeries) appendProto(b []byte) []byte {
	b = appendKeyValues(b, 1, m.Labels)
	for _, s := range m.Samples {
		b = appendMessage(b, 2, func(b []byte) []byte {
			return appendUint(appendFixed(b, 1, float64(s.Value)), 2, uint64(s.TimestampMs))
		})
	}
	b = appendString(b, 3, m.PromLabels)
	for _, e := range m.Exemplars {
		b = appendMessage(b, 4, func(b []byte) []byte {
			b = appendKeyValues(b, 1, e.Labels)
			return appendUint(appendFixed(b, 2, float64(e.Value)), 3, uint64(e.TimestampMs))
		})
	}
	return b
}

func (m *queryInstantResponse) appendProto(b []byte) []byte {
	for i := range m.Series {
		s := &m.Series[i]
		b = appendMessage(b, 1, func(b []byte) []byte {
			b = appendFixed(appendKeyValues(b, 1, s.Labels), 2, float64(s.Value))
			return appendString(b, 3, s.PromLabels)
		})
	}
	b = appendMessage(b, 2, m.Metrics.appendProto)
	return appendStatus(b, m.Status, m.Message)
}

func (m *metadataMetrics) appendProto(b []byte) []byte {
	b = appendUint(b, 1, m.InspectedBytes)
	b = appendUint(b, 2, uint64(m.TotalJobs))
	b = appendUint(b, 3, uint64(m.CompletedJobs))
	return appendUint(b, 4, uint64(m.TotalBlocks))
}

func appendStrings(b []byte, field protowire.Number, list []string) []byte {
	for _, s := range list {
		b = protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
	}
	return b
}

func (m *tagsResponse) appendProto(b []byte) []byte {
	return appendMessage(appendStrings(b, 1, m.TagNames), 2, m.Metrics.appendProto)
}

func (m *tagsV2Response) appendProto(b []byte) []byte {
	for _, s := range m.Scopes {
		b = appendMessage(b, 1, func(b []byte) []byte { return appendStrings(appendString(b, 1, s.Name), 2, s.Tags) })
	}
	return appendMessage(b, 2, m.Metrics.appendProto)
}

func (m *tagValuesResponse) appendProto(b []byte) []byte {
	return appendMessage(appendStrings(b, 1, m.TagValues), 2, m.Metrics.appendProto)
}

func (m *tagValuesV2Response) appendProto(b []byte) []byte {
	for _, v := range m.TagValues {
		b = appendMessage(b, 1, func(b []byte) []byte { return appendString(appendString(b, 1, v.Type), 2, v.Value) })
	}
	return appendMessage(b, 2, m.Metrics.appendProto)
}
