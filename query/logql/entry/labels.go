package entry

import (
	"slices"
	"strconv"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// Names of labels that this package makes.
const (
	ServiceName   = "service_name"
	DetectedLevel = "detected_level"
	TraceID       = "trace_id"
	SpanID        = "span_id"
)

// Label is a name and a value; both are never empty in a result.
type Label struct{ Name, Value string }

// serviceSources are the labels whose value names the service where no
// service_name does, the first one that is there.
var serviceSources = []string{
	"service", "app", "application", "name", "app_kubernetes_io_name", "container", "container_name",
	"k8s_container_name", "component", "workload", "job",
}

// Stream is a stream as Loki shows it.
type Stream struct {
	// Labels are the stream labels, sorted by name.
	Labels []Label
	// Scope is the structured metadata that every record of the stream shares.
	Scope []Label
	// text keeps the labels as one string, for grouping.
	text string
	// level is the level that the labels tell, "" for none.
	level string
}

// NewStream makes the view of a stream.
func NewStream(s *telemetry.Stream) *Stream {
	v := &Stream{Labels: StreamLabels(s), Scope: scopeLabels(s)}
	var b strings.Builder
	for _, l := range v.Labels {
		b.WriteString(l.Name)
		b.WriteByte(0xff)
		b.WriteString(l.Value)
		b.WriteByte(0xff)
	}
	v.text, v.level = b.String(), levelOfLabels(v.Labels)
	return v
}

// Key tells streams of different labels apart; streams that differ in their
// scope only are one stream to Loki.
func (v *Stream) Key() string { return v.text }

// Get returns the value of a stream label, "" where there is none.
func (v *Stream) Get(name string) string { return Get(v.Labels, name) }

// Get returns the value of a label in a list, "" where there is none.
func Get(labels []Label, name string) string {
	for i := range labels {
		if labels[i].Name == name {
			return labels[i].Value
		}
	}
	return ""
}

// StreamLabels returns the stream labels of s, sorted by name. There is always
// a service_name.
func StreamLabels(s *telemetry.Stream) []Label {
	labels := make([]Label, 0, len(s.Resource.Attrs)+1)
	labels = appendAttrs(labels, s.Resource.Attrs)
	if Get(labels, ServiceName) == "" {
		labels = append(labels, Label{ServiceName, deriveService(labels)})
	}
	slices.SortFunc(labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return labels
}

func deriveService(labels []Label) string {
	for _, name := range serviceSources {
		if v := Get(labels, name); v != "" {
			return v
		}
	}
	return telemetry.UnknownService
}

// appendAttrs appends attributes under their label names. Empty values are no
// labels; of two attributes that become one name the first counts.
func appendAttrs(dst []Label, attrs telemetry.Attrs) []Label {
	for i := range attrs {
		value := attrs[i].Value.Text()
		name := Name(attrs[i].Key)
		if value == "" || name == "" || Get(dst, name) != "" {
			continue
		}
		dst = append(dst, Label{name, value})
	}
	return dst
}

func scopeLabels(s *telemetry.Stream) []Label {
	var out []Label
	add := func(name, value string) {
		if value != "" {
			out = append(out, Label{name, value})
		}
	}
	add("scope_name", s.Scope.Name)
	add("scope_version", s.Scope.Version)
	if s.Scope.Dropped > 0 {
		add("scope_dropped_attributes_count", strconv.FormatUint(uint64(s.Scope.Dropped), 10))
	}
	if s.Resource.Dropped > 0 {
		add("resource_dropped_attributes_count", strconv.FormatUint(uint64(s.Resource.Dropped), 10))
	}
	return appendAttrs(out, s.Scope.Attrs)
}

// AppendMeta appends the structured metadata of l, which belongs to the stream
// that v shows. It needs the record's body, severity, attributes and rest.
func AppendMeta(dst []Label, v *Stream, l *telemetry.Log) []Label {
	if !l.TraceID.IsZero() {
		dst = append(dst, Label{TraceID, l.TraceID.String()})
	}
	if !l.SpanID.IsZero() {
		dst = append(dst, Label{SpanID, l.SpanID.String()})
	}
	if l.Severity != 0 && !severityDerived(v, l) {
		dst = append(dst, Label{"severity_number", strconv.Itoa(int(l.Severity))})
	}
	if l.SeverityText != "" {
		dst = append(dst, Label{"severity_text", l.SeverityText})
	}
	if l.EventName != "" {
		dst = append(dst, Label{"event_name", l.EventName})
	}
	if l.Observed != 0 {
		dst = append(dst, Label{"observed_timestamp", strconv.FormatInt(l.Observed, 10)})
	}
	if l.Flags != 0 {
		dst = append(dst, Label{"flags", strconv.FormatUint(uint64(l.Flags), 10)})
	}
	if l.Dropped != 0 {
		dst = append(dst, Label{"dropped_attributes_count", strconv.FormatUint(uint64(l.Dropped), 10)})
	}
	dst = append(dst, v.Scope...)
	dst = appendAttrs(dst, l.Attrs)
	level := Level(v, l)
	for i := range dst {
		if dst[i].Name == DetectedLevel {
			dst[i].Value = level
			return dst
		}
	}
	return append(dst, Label{DetectedLevel, level})
}

// Name turns an attribute's key into a label's name: every character other
// than ASCII letters, digits and _ becomes _, and a digit in front gets one.
func Name(key string) string {
	clean := key != ""
	for i := 0; i < len(key) && clean; i++ {
		clean = isNameByte(key[i]) && !(i == 0 && key[0] >= '0' && key[0] <= '9')
	}
	if clean {
		return key
	}
	var b strings.Builder
	for i, r := range key {
		if i == 0 && r >= '0' && r <= '9' {
			b.WriteByte('_')
		}
		if r < 0x80 && isNameByte(byte(r)) {
			b.WriteRune(r)
		} else {
			b.WriteByte('_')
		}
	}
	return b.String()
}

func isNameByte(c byte) bool {
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
}
