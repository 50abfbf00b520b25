package syntax

import "strings"

// Scope is where an attribute stands.
type Scope uint8

// The scopes. ScopeAny is an attribute written with a dot alone: the span's
// own, else its resource's.
const (
	ScopeAny Scope = iota
	ScopeSpan
	ScopeResource
	ScopeEvent
	ScopeLink
	ScopeInstrumentation
)

// String is the scope's word, as in "span.name"; "" for ScopeAny.
func (s Scope) String() string {
	return [...]string{"", "span", "resource", "event", "link", "instrumentation"}[s]
}

// Intrinsic is a property that every span has, unlike an attribute.
type Intrinsic uint8

// The intrinsics.
const (
	NotIntrinsic Intrinsic = iota
	SpanDuration
	Name
	StatusCode
	StatusMessage
	SpanKind
	ChildCount
	SpanID
	ParentID
	ParentSpan // the ID of the parent, nil where a span has none
	TraceID
	TraceDuration
	RootName
	RootServiceName
	NestedSetLeft
	NestedSetRight
	NestedSetParent
	EventName
	EventTimeSinceStart
	LinkTraceID
	LinkSpanID
	InstrumentationName
	InstrumentationVersion
)

// intrinsicInfo is what the grammar knows of an intrinsic: the name that
// answers carry, and the type.
type intrinsicInfo struct {
	name string
	typ  Type
}

var intrinsics = [...]intrinsicInfo{
	SpanDuration:           {"duration", TypeDuration},
	Name:                   {"name", TypeString},
	StatusCode:             {"status", TypeStatus},
	StatusMessage:          {"statusMessage", TypeString},
	SpanKind:               {"kind", TypeKind},
	ChildCount:             {"span:childCount", TypeInt},
	SpanID:                 {"span:id", TypeString},
	ParentID:               {"span:parentID", TypeString},
	ParentSpan:             {"parent", TypeString},
	TraceID:                {"trace:id", TypeString},
	TraceDuration:          {"traceDuration", TypeDuration},
	RootName:               {"rootName", TypeString},
	RootServiceName:        {"rootServiceName", TypeString},
	NestedSetLeft:          {"nestedSetLeft", TypeInt},
	NestedSetRight:         {"nestedSetRight", TypeInt},
	NestedSetParent:        {"nestedSetParent", TypeInt},
	EventName:              {"event:name", TypeString},
	EventTimeSinceStart:    {"event:timeSinceStart", TypeDuration},
	LinkTraceID:            {"link:traceID", TypeString},
	LinkSpanID:             {"link:spanID", TypeString},
	InstrumentationName:    {"instrumentation:name", TypeString},
	InstrumentationVersion: {"instrumentation:version", TypeString},
}

// intrinsicWords are the intrinsics as queries spell them, scoped and not.
var intrinsicWords = map[string]Intrinsic{
	"duration": SpanDuration, "name": Name, "status": StatusCode, "statusMessage": StatusMessage,
	"kind": SpanKind, "rootName": RootName, "rootServiceName": RootServiceName,
	"parent": ParentSpan, "traceDuration": TraceDuration, "nestedSetLeft": NestedSetLeft,
	"nestedSetRight": NestedSetRight, "nestedSetParent": NestedSetParent,

	"trace:duration": TraceDuration, "trace:rootName": RootName,
	"trace:rootService": RootServiceName, "trace:id": TraceID,
	"span:duration": SpanDuration, "span:name": Name, "span:kind": SpanKind,
	"span:status": StatusCode, "span:statusMessage": StatusMessage,
	"span:id": SpanID, "span:parentID": ParentID, "span:childCount": ChildCount,
	"event:name": EventName, "event:timeSinceStart": EventTimeSinceStart,
	"link:traceID": LinkTraceID, "link:spanID": LinkSpanID,
	"instrumentation:name": InstrumentationName, "instrumentation:version": InstrumentationVersion,
}

// IntrinsicNames lists the intrinsics as queries spell them, for completion,
// in the order of their names.
func IntrinsicNames() []string {
	return []string{
		"duration", "event:name", "event:timeSinceStart", "instrumentation:name",
		"instrumentation:version", "kind", "link:spanID", "link:traceID", "name",
		"rootName", "rootServiceName", "span:duration", "span:id", "span:kind",
		"span:name", "span:parentID", "span:status", "span:statusMessage", "status",
		"statusMessage", "trace:duration", "trace:id", "trace:rootName",
		"trace:rootService", "traceDuration",
	}
}

// Attribute names a value of a span: an intrinsic, or an attribute of a scope.
type Attribute struct {
	Scope     Scope
	Parent    bool // of the span's parent
	Intrinsic Intrinsic
	Name      string // "" for an intrinsic
}

// Is reports whether a is the intrinsic i of the span itself.
func (a Attribute) Is(i Intrinsic) bool { return a.Intrinsic == i && !a.Parent }

// Multi reports whether one span can hold several values of a: those of its
// events or links, or an unscoped attribute that span and resource both have.
func (a Attribute) Multi() bool {
	switch a.Intrinsic {
	case EventName, EventTimeSinceStart, LinkTraceID, LinkSpanID:
		return true
	case NotIntrinsic:
		return a.Scope == ScopeAny || a.Scope == ScopeEvent || a.Scope == ScopeLink
	}
	return false
}

// Key is the name under which answers carry the value: without its scope.
func (a Attribute) Key() string {
	if a.Intrinsic != NotIntrinsic {
		return intrinsics[a.Intrinsic].name
	}
	return a.Name
}

// String renders a as a query spells it.
func (a Attribute) String() string {
	prefix := ""
	if a.Parent {
		prefix = "parent."
	}
	if a.Intrinsic != NotIntrinsic {
		return prefix + intrinsics[a.Intrinsic].name
	}
	if a.Scope != ScopeAny {
		prefix += a.Scope.String() + "."
	}
	if prefix == "" {
		prefix = "."
	}
	return prefix + quoteName(a.Name)
}

func quoteName(name string) string {
	// Behind a dot alone a digit would begin a number.
	plain := !strings.ContainsRune(name, '"') && (name == "" || !isDigit(rune(name[0])))
	for _, r := range name {
		plain = plain && isAttributeRune(r)
	}
	if plain {
		return name
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

// ParseAttribute reads one attribute or intrinsic, such as "span.http.method",
// ".foo", "name" or "event:name".
func ParseAttribute(s string) (Attribute, error) {
	toks, err := lex(s)
	if err != nil {
		return Attribute{}, err
	}
	p := &parser{toks: toks}
	a, err := p.attribute()
	if err != nil {
		return Attribute{}, err
	}
	if t := p.peek(); t.kind != tokEOF {
		return Attribute{}, errorAt(t.pos, "unexpected %s after the attribute", t.describe())
	}
	return a, nil
}
