// Package lines is the clew_lines processor: it reads what a log line says of
// itself. From the text come the time, the severity, the trace and span ID,
// and the service that wrote it; the text itself is never changed and no line
// is ever dropped. What a line does not say stays unset: the time at which it
// was read is in the observed timestamp anyway.
//
// It understands the usual layouts: RFC 3339 and its relatives, RFC 3164 and
// RFC 5424 syslog, the common log format, klog, JSON and logfmt lines, and
// journald's entries. What is set already (by a container runtime, say) wins
// over the text.
//
// It may import telemetry, for the words that mean a severity.
package lines
