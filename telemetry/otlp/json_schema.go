package otlp

import (
	"strconv"
	"strings"
)

// jsonKind is how a field stands in JSON and on the wire.
type jsonKind uint8

const (
	jsonText jsonKind = iota
	jsonBase64
	jsonTraceID
	jsonSpanID
	jsonExemplarTraceID
	jsonExemplarSpanID
	jsonBool
	jsonUint32
	jsonSint32
	jsonInt64
	jsonUint64
	jsonFixed32
	jsonFixed64
	jsonSfixed64
	jsonDouble
	jsonEnum
	jsonSub
)

// kindNames say what is expected of a value.
var kindNames = [...]string{
	jsonText: "a string", jsonBase64: "a string in base64", jsonBool: "true or false",
	jsonTraceID: "an ID of 32 hex digits", jsonSpanID: "an ID of 16 hex digits",
	jsonExemplarTraceID: "an ID of 32 hex digits", jsonExemplarSpanID: "an ID of 16 hex digits",
	jsonUint32: "a whole number from 0 to 4294967295", jsonSint32: "a whole number of 32 bits",
	jsonInt64: "a whole number of 64 bits", jsonSfixed64: "a whole number of 64 bits",
	jsonUint64: "a whole number from 0 to 18446744073709551615", jsonFixed64: "a whole number from 0 to 18446744073709551615",
	jsonFixed32: "a whole number from 0 to 4294967295",
	jsonDouble:  `a number, "NaN", "Infinity" or "-Infinity"`, jsonEnum: "a number or a name", jsonSub: "an object",
}

func (k jsonKind) wire() int {
	switch k {
	case jsonFixed64, jsonSfixed64, jsonDouble:
		return wireFixed64
	case jsonFixed32:
		return wireFixed32
	case jsonBool, jsonUint32, jsonSint32, jsonInt64, jsonUint64, jsonEnum:
		return wireVarint
	}
	return wireLen
}

// jsonField is a field of a message.
type jsonField struct {
	name     string
	num      int
	kind     jsonKind
	repeated bool
	packed   bool // repeated numbers, all in one field
	explicit bool // zero is written too: in a oneof, or optional
	message  *jsonMessage
	enum     map[string]uint64
}

// jsonMessage is what a JSON object may hold, by both spellings of the names.
type jsonMessage struct{ fields map[string]*jsonField }

func newMessage(fields ...*jsonField) *jsonMessage {
	m := &jsonMessage{fields: make(map[string]*jsonField, 2*len(fields))}
	return m.with(fields...)
}

func (m *jsonMessage) with(fields ...*jsonField) *jsonMessage {
	for _, f := range fields {
		m.fields[f.name] = f
		m.fields[snake(f.name)] = f
	}
	return m
}

// snake turns timeUnixNano into time_unix_nano.
func snake(camel string) string {
	var b strings.Builder
	for _, c := range camel {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}

func scalar(num int, name string, kind jsonKind) *jsonField {
	return &jsonField{name: name, num: num, kind: kind}
}

func oneof(num int, name string, kind jsonKind) *jsonField {
	return &jsonField{name: name, num: num, kind: kind, explicit: true}
}

func packed(num int, name string, kind jsonKind) *jsonField {
	return &jsonField{name: name, num: num, kind: kind, repeated: true, packed: true, explicit: true}
}

func enum(num int, name string, values map[string]uint64) *jsonField {
	return &jsonField{name: name, num: num, kind: jsonEnum, enum: values}
}

func sub(num int, name string, m *jsonMessage) *jsonField {
	return &jsonField{name: name, num: num, kind: jsonSub, message: m}
}

func subs(num int, name string, m *jsonMessage) *jsonField {
	return &jsonField{name: name, num: num, kind: jsonSub, message: m, repeated: true}
}

// requests are the three messages that are read from JSON.
type requests struct{ logs, traces, metrics *jsonMessage }

// jsonSchema has the names and numbers of opentelemetry-proto.
var jsonSchema = newRequests()

func newRequests() requests {
	keyValue := newKeyValue()
	resource := newMessage(subs(1, "attributes", keyValue), scalar(2, "droppedAttributesCount", jsonUint32))
	scope := newMessage(scalar(1, "name", jsonText), scalar(2, "version", jsonText),
		subs(3, "attributes", keyValue), scalar(4, "droppedAttributesCount", jsonUint32))
	request := func(resources, scopes, records string, record *jsonMessage) *jsonMessage {
		ofScope := newMessage(sub(1, "scope", scope), subs(2, records, record), scalar(3, "schemaUrl", jsonText))
		ofResource := newMessage(sub(1, "resource", resource), subs(2, scopes, ofScope), scalar(3, "schemaUrl", jsonText))
		return newMessage(subs(1, resources, ofResource))
	}
	return requests{
		logs:    request("resourceLogs", "scopeLogs", "logRecords", newLog(keyValue)),
		traces:  request("resourceSpans", "scopeSpans", "spans", newSpan(keyValue)),
		metrics: request("resourceMetrics", "scopeMetrics", "metrics", newMetric(keyValue)),
	}
}

func newKeyValue() *jsonMessage {
	anyValue := newMessage()
	keyValue := newMessage(scalar(1, "key", jsonText), sub(2, "value", anyValue))
	anyValue.with(
		oneof(1, "stringValue", jsonText), oneof(2, "boolValue", jsonBool), oneof(3, "intValue", jsonInt64),
		oneof(4, "doubleValue", jsonDouble), sub(5, "arrayValue", newMessage(subs(1, "values", anyValue))),
		sub(6, "kvlistValue", newMessage(subs(1, "values", keyValue))), oneof(7, "bytesValue", jsonBase64))
	return keyValue
}

func newLog(keyValue *jsonMessage) *jsonMessage {
	severities := map[string]uint64{"SEVERITY_NUMBER_UNSPECIFIED": 0}
	for i, name := range []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"} {
		severities["SEVERITY_NUMBER_"+name] = uint64(4*i + 1)
		for j := 2; j <= 4; j++ {
			severities["SEVERITY_NUMBER_"+name+strconv.Itoa(j)] = uint64(4*i + j)
		}
	}
	return newMessage(
		scalar(1, "timeUnixNano", jsonFixed64), enum(2, "severityNumber", severities), scalar(3, "severityText", jsonText),
		sub(5, "body", keyValue.fields["value"].message), subs(6, "attributes", keyValue),
		scalar(7, "droppedAttributesCount", jsonUint32), scalar(8, "flags", jsonFixed32),
		scalar(9, "traceId", jsonTraceID), scalar(10, "spanId", jsonSpanID),
		scalar(11, "observedTimeUnixNano", jsonFixed64), scalar(12, "eventName", jsonText))
}

func newSpan(keyValue *jsonMessage) *jsonMessage {
	kinds := map[string]uint64{"SPAN_KIND_UNSPECIFIED": 0, "SPAN_KIND_INTERNAL": 1, "SPAN_KIND_SERVER": 2,
		"SPAN_KIND_CLIENT": 3, "SPAN_KIND_PRODUCER": 4, "SPAN_KIND_CONSUMER": 5}
	codes := map[string]uint64{"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
	event := newMessage(scalar(1, "timeUnixNano", jsonFixed64), scalar(2, "name", jsonText),
		subs(3, "attributes", keyValue), scalar(4, "droppedAttributesCount", jsonUint32))
	link := newMessage(scalar(1, "traceId", jsonTraceID), scalar(2, "spanId", jsonSpanID), scalar(3, "traceState", jsonText),
		subs(4, "attributes", keyValue), scalar(5, "droppedAttributesCount", jsonUint32), scalar(6, "flags", jsonFixed32))
	return newMessage(
		scalar(1, "traceId", jsonTraceID), scalar(2, "spanId", jsonSpanID), scalar(3, "traceState", jsonText),
		scalar(4, "parentSpanId", jsonSpanID), scalar(5, "name", jsonText), enum(6, "kind", kinds),
		scalar(7, "startTimeUnixNano", jsonFixed64), scalar(8, "endTimeUnixNano", jsonFixed64),
		subs(9, "attributes", keyValue), scalar(10, "droppedAttributesCount", jsonUint32),
		subs(11, "events", event), scalar(12, "droppedEventsCount", jsonUint32),
		subs(13, "links", link), scalar(14, "droppedLinksCount", jsonUint32),
		sub(15, "status", newMessage(scalar(2, "message", jsonText), enum(3, "code", codes))), scalar(16, "flags", jsonFixed32))
}
