package otlp

// newMetric is a Metric with its kinds of data points.
func newMetric(keyValue *jsonMessage) *jsonMessage {
	temporality := enum(2, "aggregationTemporality", map[string]uint64{"AGGREGATION_TEMPORALITY_UNSPECIFIED": 0,
		"AGGREGATION_TEMPORALITY_DELTA": 1, "AGGREGATION_TEMPORALITY_CUMULATIVE": 2})
	exemplar := newMessage(subs(7, "filteredAttributes", keyValue), scalar(2, "timeUnixNano", jsonFixed64),
		oneof(3, "asDouble", jsonDouble), oneof(6, "asInt", jsonSfixed64),
		scalar(4, "spanId", jsonExemplarSpanID), scalar(5, "traceId", jsonExemplarTraceID))
	number := newMessage(subs(7, "attributes", keyValue), oneof(4, "asDouble", jsonDouble), oneof(6, "asInt", jsonSfixed64),
		subs(5, "exemplars", exemplar), scalar(8, "flags", jsonUint32)).with(pointTimes()...)
	histogram := newMessage(subs(9, "attributes", keyValue), scalar(4, "count", jsonFixed64), oneof(5, "sum", jsonDouble),
		packed(6, "bucketCounts", jsonFixed64), packed(7, "explicitBounds", jsonDouble), subs(8, "exemplars", exemplar),
		scalar(10, "flags", jsonUint32), oneof(11, "min", jsonDouble), oneof(12, "max", jsonDouble)).with(pointTimes()...)
	buckets := newMessage(scalar(1, "offset", jsonSint32), packed(2, "bucketCounts", jsonUint64))
	exponential := newMessage(subs(1, "attributes", keyValue), scalar(4, "count", jsonFixed64), oneof(5, "sum", jsonDouble),
		scalar(6, "scale", jsonSint32), scalar(7, "zeroCount", jsonFixed64), sub(8, "positive", buckets), sub(9, "negative", buckets),
		scalar(10, "flags", jsonUint32), subs(11, "exemplars", exemplar), oneof(12, "min", jsonDouble), oneof(13, "max", jsonDouble),
		scalar(14, "zeroThreshold", jsonDouble)).with(pointTimes()...)
	quantile := newMessage(scalar(1, "quantile", jsonDouble), scalar(2, "value", jsonDouble))
	summary := newMessage(subs(7, "attributes", keyValue), scalar(4, "count", jsonFixed64), scalar(5, "sum", jsonDouble),
		subs(6, "quantileValues", quantile), scalar(8, "flags", jsonUint32)).with(pointTimes()...)
	return newMessage(
		scalar(1, "name", jsonText), scalar(2, "description", jsonText), scalar(3, "unit", jsonText),
		subs(12, "metadata", keyValue),
		sub(5, "gauge", newMessage(subs(1, "dataPoints", number))),
		sub(7, "sum", newMessage(subs(1, "dataPoints", number), temporality, scalar(3, "isMonotonic", jsonBool))),
		sub(9, "histogram", newMessage(subs(1, "dataPoints", histogram), temporality)),
		sub(10, "exponentialHistogram", newMessage(subs(1, "dataPoints", exponential), temporality)),
		sub(11, "summary", newMessage(subs(1, "dataPoints", summary))))
}

// pointTimes are the times that data points of every kind have.
func pointTimes() []*jsonField {
	return []*jsonField{scalar(2, "startTimeUnixNano", jsonFixed64), scalar(3, "timeUnixNano", jsonFixed64)}
}
