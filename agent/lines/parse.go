package lines

import (
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// Fields is what a line says of itself; zero is what it does not say.
type Fields struct {
	Time         time.Time
	Severity     telemetry.Severity
	SeverityText string
	Service      string
	TraceID      [16]byte
	SpanID       [8]byte
}

// Parser reads lines. It keeps nothing from one to the next.
type Parser struct{ clock clock }

// NewParser returns a parser for lines whose times, where they name no zone,
// are in zone.
func NewParser(zone *time.Location, now func() time.Time) Parser {
	return Parser{clock{now: now, zone: zone}}
}

// Parse reads one line. Only a daemon's log (syslog says which) names its
// writer in the way of syslog when its times are not syslog's own.
func (p Parser) Parse(s string, syslog bool) Fields {
	var f Fields
	if m, ok := jsonFields(s); ok {
		p.clock.fill(&f, m)
		return f
	}
	if m, ok := logfmtFields(s); ok {
		p.clock.fill(&f, m)
	}
	s = p.priority(&f, s)
	t, end, ok := p.clock.find(s)
	if ok && f.Time.IsZero() {
		f.Time = t
	}
	rest := s[end:]
	if ok && (syslog || syslogTime(s)) {
		rest = p.tag(&f, rest)
	}
	if f.Severity == telemetry.SeverityUnset && ok {
		f.Severity, f.SeverityText = klogLevel(s[:end])
	}
	if f.Severity == telemetry.SeverityUnset {
		f.Severity, f.SeverityText = findLevel(rest)
	}
	return f
}

// priority cuts a syslog priority, "<34>" or RFC 5424's "<34>1 ", off s.
func (p Parser) priority(f *Fields, s string) string {
	end := strings.IndexByte(s, '>')
	if !strings.HasPrefix(s, "<") || end < 2 || end > len("<191") {
		return s
	}
	n, err := strconv.Atoi(s[1:end])
	if err != nil || n < 0 || n > 191 {
		return s
	}
	f.Severity, f.SeverityText = syslogSeverity(n), syslogNames[n&7]
	s = s[end+1:]
	if !strings.HasPrefix(s, "1 ") {
		return s
	}
	// RFC 5424: time host app procid msgid.
	if words := strings.SplitN(s, " ", 5); len(words) == 5 && words[3] != "-" {
		f.Service = words[3]
	}
	return s[2:]
}

// tag reads "host app[pid]: message" behind a time, and returns the message;
// what does not look like it is the message as a whole.
func (p Parser) tag(f *Fields, rest string) string {
	host, tail, ok := strings.Cut(strings.TrimPrefix(rest, " "), " ")
	if !ok || host == "" || levelWord(strings.Trim(host, "[]:")) != telemetry.SeverityUnset {
		return rest
	}
	end := strings.IndexAny(tail, ":[ ")
	if end <= 0 || tail[end] == ' ' || !isTag(tail[:end]) {
		return rest
	}
	message := tail[end:]
	if message[0] == '[' {
		closing := strings.IndexByte(message, ']')
		if closing < 0 {
			return rest
		}
		message = message[closing+1:]
	}
	if f.Service == "" {
		f.Service = tail[:end]
	}
	message = strings.TrimPrefix(strings.TrimPrefix(message, ":"), " ")
	if m, ok := jsonFields(message); ok {
		own := Fields{Time: f.Time, Severity: f.Severity, Service: f.Service}
		p.clock.fill(&own, m)
		if own.SeverityText == "" {
			own.SeverityText = f.SeverityText
		}
		*f = own
	}
	return message
}

func isTag(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && strings.IndexByte("_.-/()@", s[i]) < 0 {
			return false
		}
	}
	return true
}

// syslogTime reports whether s begins as RFC 3164 does, with a month's name.
func syslogTime(s string) bool {
	p := parser{s: s}
	p.monthName()
	return !p.bad && p.peek() == ' '
}

// klogLevel reads the letter in front of a klog time, "I0102 15:04:05.000000".
func klogLevel(s string) (telemetry.Severity, string) {
	if len(s) < 6 || !isDigit(s[1]) || s[5] != ' ' || strings.IndexByte("IWEF", s[0]) < 0 {
		return telemetry.SeverityUnset, ""
	}
	return telemetry.ParseSeverity(s[:1]), s[:1]
}
