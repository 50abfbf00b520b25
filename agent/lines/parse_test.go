package lines

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// now and zone stand for the host that wrote the lines.
var (
	zone = time.FixedZone("", 2*3600)
	now  = time.Date(2026, 3, 1, 12, 0, 0, 0, zone)
)

func testParser() Parser { return NewParser(zone, func() time.Time { return now }) }

// parseCases are lines as they stand in files, and what they say.
var parseCases = []struct {
	name, line string
	syslog     bool
	time       string // RFC 3339; empty is none
	severity   telemetry.Severity
	text       string
	service    string
	trace      string
}{
	{name: "RFC 3339", line: "2026-01-02T03:04:05.678901234Z INFO up", time: "2026-01-02T03:04:05.678901234Z", severity: 9, text: "INFO"},
	{name: "RFC 3339 with an offset", line: "2026-01-02T03:04:05+01:00 [warn] x", time: "2026-01-02T03:04:05+01:00", severity: 13, text: "warn"},
	{name: "dpkg", line: "2026-02-20 16:27:25 status installed libc6:amd64 2.36", time: "2026-02-20T16:27:25+02:00"},
	{name: "update-alternatives", line: "update-alternatives 2026-02-20 16:27:25: run with --install", time: "2026-02-20T16:27:25+02:00"},
	{name: "apt history", line: "Start-Date: 2026-02-20  16:27:25", time: "2026-02-20T16:27:25+02:00"},
	{name: "apt terminal", line: "Log started: 2026-02-20  16:27:25", time: "2026-02-20T16:27:25+02:00"},
	{name: "log4j with a comma", line: "2015-10-18 18:01:47,978 INFO [main] org.apache.Foo: Created", time: "2015-10-18T18:01:47.978+02:00", severity: 9, text: "INFO"},
	{name: "Zookeeper", line: "2015-07-29 17:41:44,747 - WARN  [QuorumPeer:x] - gone", time: "2015-07-29T17:41:44.747+02:00", severity: 13, text: "WARN"},
	{name: "PostgreSQL", line: "2026-02-20 16:27:32.123 UTC [1234] LOG:  database system is ready", time: "2026-02-20T16:27:32.123Z", severity: 9, text: "LOG"},
	{name: "Go's log package", line: "2026/02/20 16:27:32 http: server closed", time: "2026-02-20T16:27:32+02:00"},
	{name: "nginx error", line: "2026/02/20 16:27:32 [error] 31#31: *1 open() failed", time: "2026-02-20T16:27:32+02:00", severity: 17, text: "error"},
	{name: "nginx access", line: `10.0.0.1 - - [10/Feb/2026:13:55:36 -0700] "GET /error HTTP/1.1" 200 2326`, time: "2026-02-10T13:55:36-07:00"},
	{name: "Apache error", line: "[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok", time: "2005-12-04T04:47:44+02:00", severity: 9, text: "notice"},
	{name: "Apache error 2.4", line: "[Sun Feb 15 04:47:44.123456 2026] [core:error] [pid 7] failed", time: "2026-02-15T04:47:44.123456+02:00", severity: 17, text: "error"},
	{name: "OpenStack", line: "nova-api.log 2017-05-16 00:00:00.008 25746 INFO nova.osapi [req-3] GET", time: "2017-05-16T00:00:00.008+02:00", severity: 9, text: "INFO"},
	{name: "klog", line: "E0220 11:07:02.123456    7 reflector.go:1] gone", time: "2026-02-20T11:07:02.123456+02:00", severity: 17, text: "E"},
	{name: "audit", line: "type=USER_LOGIN msg=audit(1700000000.123:45): pid=1", time: "2023-11-14T22:13:20.123Z"},
	{name: "RFC 3164", line: "Feb  9 06:06:20 combo sshd(pam_unix)[19939]: authentication failure; user=root", time: "2026-02-09T06:06:20+02:00", service: "sshd(pam_unix)"},
	{name: "RFC 3164 of last year", line: "Dec 10 06:55:46 LabSZ sshd[24200]: error: maximum attempts", time: "2025-12-10T06:55:46+02:00", severity: 17, text: "error", service: "sshd"},
	{name: "RFC 3164 with priority", line: "<11>Feb 10 06:55:46 host app: hello", time: "2026-02-10T06:55:46+02:00", severity: 17, text: "err", service: "app"},
	{name: "RFC 5424", line: "<165>1 2026-02-11T22:14:15.003Z mymachine evntslog - ID47 - hello", time: "2026-02-11T22:14:15.003Z", severity: 10, text: "notice", service: "evntslog"},
	{name: "rsyslog's new format", syslog: true, line: "2026-02-20T16:27:25.123456+01:00 host CRON[123]: (root) CMD (x)", time: "2026-02-20T16:27:25.123456+01:00", service: "CRON"},
	{name: "the same outside of syslog", line: "2026-02-20T16:27:25Z worker main: hello", time: "2026-02-20T16:27:25Z"},
	{name: "JSON behind a syslog tag", line: `Feb 10 06:55:46 host app[1]: {"level":"warn","trace_id":"0102030405060708090a0b0c0d0e0f10"}`, time: "2026-02-10T06:55:46+02:00", severity: 13, text: "warn", service: "app", trace: "0102030405060708090a0b0c0d0e0f10"},
	{name: "JSON", line: `{"time":"2026-02-20T16:27:25Z","level":"ERROR","msg":"x","service":"shop","trace_id":"0102030405060708090a0b0c0d0e0f10"}`, time: "2026-02-20T16:27:25Z", severity: 17, text: "ERROR", service: "shop", trace: "0102030405060708090a0b0c0d0e0f10"},
	{name: "JSON of ECS", line: `{"@timestamp":"2026-02-20T16:27:25.5Z","log":{"level":"debug"},"service":{"name":"shop"}}`, time: "2026-02-20T16:27:25.5Z", severity: 5, text: "debug", service: "shop"},
	{name: "JSON of pino", line: `{"level":50,"time":1771000000123,"msg":"x"}`, time: "2026-02-13T16:26:40.123Z", severity: 17},
	{name: "JSON of zap", line: `{"level":"info","ts":1771000000.5,"msg":"error: none"}`, time: "2026-02-13T16:26:40.5Z", severity: 9, text: "info"},
	{name: "broken JSON", line: `{"time":"2026-02-20T16:27:25Z","level":"err`, time: "2026-02-20T16:27:25Z", severity: 17, text: "err"},
	{name: "slog text", line: `time=2026-02-20T16:27:25.1+02:00 level=WARN msg="it said \"ERROR\"" service=shop`, time: "2026-02-20T16:27:25.1+02:00", severity: 13, text: "WARN", service: "shop"},
	{name: "logfmt later in the line", line: `2026-02-20T16:27:25Z app level=error msg=x`, time: "2026-02-20T16:27:25Z", severity: 17, text: "error"},

	{name: "no time", line: "Commandline: apt-get install jq"},
	{name: "empty", line: ""},
	{name: "a date without a time", line: "2026-02-20 is a Friday"},
	{name: "no such day", line: "2026-02-30 10:00:00 x"},
	{name: "no such month", line: "2026-13-01 10:00:00 x"},
	{name: "from the future", line: "2026-03-05 10:00:00 ERROR x", severity: 17, text: "ERROR"},
	{name: "a number that is no time", line: "1700000000 bytes"},
	{name: "an error in prose", line: "2026-02-20 16:27:25 no error was found, info follows", time: "2026-02-20T16:27:25+02:00"},
	{name: "an error in a path", line: "GET /errors/ERROR.html done"},
	{name: "an error in a name", line: "install libgpg-error0 and ERROR_CODE"},
	{name: "a panic", line: "panic: runtime error: index out of range", severity: 17, text: "error"},
	{name: "a level far behind", line: string(make([]byte, 300)) + " ERROR "},
}

func TestParse(t *testing.T) {
	for _, c := range parseCases {
		t.Run(c.name, func(t *testing.T) {
			f := testParser().Parse(c.line, c.syslog)
			if got := f.Time; c.time == "" && !got.IsZero() || c.time != "" && got.Format(time.RFC3339Nano) != inZoneOf(t, c.time, got) {
				t.Errorf("time is %v, want %q", got, c.time)
			}
			if f.Severity != c.severity || f.SeverityText != c.text {
				t.Errorf("severity is %d %q, want %d %q", f.Severity, f.SeverityText, c.severity, c.text)
			}
			if f.Service != c.service {
				t.Errorf("service is %q, want %q", f.Service, c.service)
			}
			if got := hex.EncodeToString(f.TraceID[:]); c.trace != "" && got != c.trace {
				t.Errorf("trace is %s, want %s", got, c.trace)
			}
		})
	}
}

// inZoneOf writes the wanted time as got would be written: instants count,
// not the zone they are kept in.
func inZoneOf(t *testing.T, want string, got time.Time) string {
	t.Helper()
	w, err := time.Parse(time.RFC3339Nano, want)
	if err != nil {
		t.Fatalf("bad test: %v", err)
	}
	return w.In(got.Location()).Format(time.RFC3339Nano)
}

func TestYearIsGuessed(t *testing.T) {
	for _, c := range []struct{ line, now, want string }{
		{"Dec 31 23:59:59 h a: x", "2026-01-01T00:00:01Z", "2025-12-31T23:59:59Z"},
		{"Jan  1 00:00:01 h a: x", "2025-12-31T23:59:59Z", "2026-01-01T00:00:01Z"}, // the writer's clock is ahead
		{"Feb 29 10:00:00 h a: x", "2026-06-01T00:00:00Z", "2024-02-29T10:00:00Z"},
		{"Jun  1 10:00:00 h a: x", "2026-06-01T11:00:00Z", "2026-06-01T10:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		f := NewParser(time.UTC, func() time.Time { return at }).Parse(c.line, false)
		if got := f.Time.Format(time.RFC3339); got != c.want {
			t.Errorf("%q read at %s is of %s, want %s", c.line, c.now, got, c.want)
		}
	}
}

func TestFileService(t *testing.T) {
	for file, want := range map[string]string{
		"/var/log/dpkg.log":                          "dpkg",
		"/var/log/apt/history.log":                   "apt",
		"/var/log/nginx/access.log":                  "nginx",
		"/var/log/postgresql/postgresql-15-main.log": "postgresql-15-main",
		"/var/log/pods/n_p_u/server/0.log":           "server",
		"/var/log/syslog":                            "syslog",
		"/var/log/dpkg.log.1":                        "dpkg",
		"/var/log/dnf.log-20260102":                  "dnf",
		"/var/log/syslog.1":                          "syslog",
		"/var/log/messages-20260102":                 "messages",
		"/var/log/postgresql-15.log":                 "postgresql-15",
		"/var/log/v1.2":                              "v1.2",
		"/var/log/error.log":                         "error",
		"/srv/shop/logs/app.log":                     "app",
		"relative.log":                               "relative",
	} {
		if got := fileService(file); got != want {
			t.Errorf("service of %s is %q, want %q", file, got, want)
		}
	}
}

// FuzzParse: whatever a line holds, reading it ends, and finds no time that
// would not be believed.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"2026-01-02T03:04:05.6Z INFO x", "<34>1 2026-01-02T03:04:05Z h a - - -", "Feb 29 10:00:00 h a[1]: x",
		`{"time":1e300,"level":-1}`, `a="\`, "I0102 03:04:05.1", "[10/Feb/2026:13:55:36", "\xff\xfe2026-", "=", "1700000000.",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, s string, syslog bool) {
		got := testParser().Parse(s, syslog)
		if !got.Time.IsZero() && !testParser().clock.believable(got.Time) {
			t.Errorf("%q has the time %v", s, got.Time)
		}
		if got.Severity > 24 {
			t.Errorf("%q has the severity %d", s, got.Severity)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, line := range map[string]string{
		"plain":  "2015-10-18 18:01:47,978 INFO [main] org.apache.hadoop.mapreduce.v2.app.MRAppMaster: Created MRAppMaster",
		"syslog": "Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user webmaster from 173.234.31.186",
		"json":   `{"time":"2026-02-20T16:27:25Z","level":"ERROR","msg":"x","service":"shop","order":"o-1"}`,
		"none":   "  at java.lang.Thread.run(Thread.java:745)",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			p := testParser()
			for b.Loop() {
				p.Parse(line, false)
			}
		})
	}
}
