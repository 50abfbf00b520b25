package lines

import (
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/clewhq/clew/telemetry"
)

// journalAttributes are the fields of a journal entry that stay, under
// OpenTelemetry's names where it has one; the rest is the journal's own
// bookkeeping.
var journalAttributes = map[string]string{
	"_PID":          "process.pid",
	"_EXE":          "process.executable.path",
	"_COMM":         "process.command",
	"_UID":          "user.id",
	"_SYSTEMD_UNIT": "systemd.unit",
	"_TRANSPORT":    "systemd.transport",
	"CODE_FILE":     "code.file.path",
	"CODE_FUNC":     "code.function.name",
	"MESSAGE_ID":    "systemd.message_id",
	// Names the entry for ever: an entry that comes twice is known by it.
	"__CURSOR": "systemd.cursor",
}

// journal turns an entry of journald into a record whose body is the message.
// A body that is no journal entry stays as it is.
func (p Parser) journal(lr plog.LogRecord) Fields {
	entry := lr.Body().Map()
	message, ok := entry.Get(journalMessage)
	if !ok {
		return Fields{}
	}
	text := messageText(message)
	f := p.Parse(text, false)
	// The journal knows these better than the text.
	f.Service = entryService(entry, f.Service)
	if priority, ok := entry.Get("PRIORITY"); ok {
		if n, err := strconv.Atoi(priority.AsString()); err == nil && n >= 0 && n < len(syslogNames) {
			if f.Severity == telemetry.SeverityUnset || n != journalDefault {
				f.Severity, f.SeverityText = syslogSeverity(n), syslogNames[n]
			}
		}
	}
	for field, key := range journalAttributes {
		if v, ok := entry.Get(field); ok {
			lr.Attributes().PutStr(key, v.AsString())
		}
	}
	lr.Body().SetStr(text)
	return f
}

// journalDefault is the priority that the journal gives to what a service
// prints: there the text knows better.
const journalDefault = 6

// messageText reads MESSAGE, which is a list of bytes where it is not UTF-8.
func messageText(v pcommon.Value) string {
	if v.Type() != pcommon.ValueTypeSlice {
		return v.AsString()
	}
	bytes := make([]byte, 0, v.Slice().Len())
	for _, b := range v.Slice().All() {
		switch b.Type() {
		case pcommon.ValueTypeInt:
			bytes = append(bytes, byte(b.Int()))
		case pcommon.ValueTypeDouble:
			bytes = append(bytes, byte(b.Double()))
		}
	}
	return strings.ToValidUTF8(string(bytes), "\uFFFD")
}

func entryService(entry pcommon.Map, said string) string {
	if said != "" {
		return said
	}
	for _, field := range []string{"SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "_COMM"} {
		if v, ok := entry.Get(field); ok && v.AsString() != "" {
			return v.AsString()
		}
	}
	return "journal"
}
