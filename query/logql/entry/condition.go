package entry

import (
	"strings"

	"github.com/clewhq/clew/storage"
)

// noCondition are the labels of the structured metadata that are no texts of
// a record, or that more than one of its texts decides.
var noCondition = map[string]bool{
	TraceID: true, SpanID: true, DetectedLevel: true, ServiceName: true, "severity_number": true,
	"observed_timestamp": true, "flags": true, "dropped_attributes_count": true, "scope_name": true,
	"scope_version": true, "scope_dropped_attributes_count": true, "resource_dropped_attributes_count": true,
}

// Condition returns what a condition on a label means for a record's
// structured metadata, in a stream that has no label and no scope attribute of
// that name; false where a store cannot be told.
func Condition(name string, accept func(value string) bool) (storage.Condition, bool) {
	if noCondition[name] || strings.HasPrefix(name, "__") || strings.HasSuffix(name, "_extracted") {
		return storage.Condition{}, false
	}
	c := storage.Condition{Accept: accept, Key: func(key string) bool { return Name(key) == name }}
	switch name {
	case "severity_text":
		c.Field = storage.FieldSeverityText
	case "event_name":
		c.Field = storage.FieldEventName
	}
	return c, true
}
