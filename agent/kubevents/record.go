package kubevents

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/clewhq/clew/correlation/kubernetes"
)

// scopeName tells whose records they are.
const scopeName = "github.com/clewhq/clew/agent/kubevents"

// severities are those of the types of events.
var severities = map[string]plog.SeverityNumber{"normal": plog.SeverityNumberInfo, "warning": plog.SeverityNumberWarn, "error": plog.SeverityNumberError}

// record writes an event as a log record: by the attributes of OpenTelemetry's
// receiver of events, but with the object on the record. A resource of its own
// for each object would be a stream for each.
//
// Nothing in it tells when or by whom it was read, and each goes by itself: one
// that is handed on again after a crash is the same request, to the byte, which
// the server recognises.
func record(e *event, cluster string) plog.Logs {
	out := plog.NewLogs()
	rl := out.ResourceLogs().AppendEmpty()
	namespace := e.InvolvedObject.Namespace
	if namespace == "" && e.Metadata.Namespace != "default" {
		namespace = e.Metadata.Namespace // events of nodes stand in default, where no node is
	}
	attrs := rl.Resource().Attributes()
	attrs.PutStr("service.name", kubernetes.EventService)
	putText(attrs, kubernetes.AttrNamespace, namespace)
	putText(attrs, "k8s.cluster.name", cluster)
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName(scopeName)
	e.write(sl.LogRecords().AppendEmpty())
	return out
}

func (e *event) write(l plog.LogRecord) {
	l.SetTimestamp(pcommon.NewTimestampFromTime(e.at()))
	l.Body().SetStr(e.Message)
	l.SetSeverityText(e.Type)
	l.SetSeverityNumber(severities[strings.ToLower(e.Type)])
	attrs, about := l.Attributes(), &e.InvolvedObject
	putText(attrs, kubernetes.AttrObjectKind, about.Kind)
	putText(attrs, kubernetes.AttrObjectName, about.Name)
	putText(attrs, "k8s.object.uid", about.UID)
	putText(attrs, "k8s.object.fieldpath", about.FieldPath)
	if about.Kind == "Pod" {
		putText(attrs, kubernetes.AttrPod, about.Name)
	}
	putText(attrs, kubernetes.AttrNode, e.Source.Host)
	putText(attrs, kubernetes.AttrEventReason, e.Reason)
	putText(attrs, "k8s.event.action", e.Action)
	putText(attrs, kubernetes.AttrEventName, e.Metadata.Name)
	putText(attrs, kubernetes.AttrEventUID, e.Metadata.UID)
	component := e.ReportingComponent
	if component == "" {
		component = e.Source.Component
	}
	putText(attrs, "k8s.event.reporting_component", component)
	count := e.Count
	if e.Series != nil {
		count = e.Series.Count
	}
	if count > 0 {
		attrs.PutInt(kubernetes.AttrEventCount, count)
	}
}

func putText(attrs pcommon.Map, key, text string) {
	if text != "" {
		attrs.PutStr(key, text)
	}
}
