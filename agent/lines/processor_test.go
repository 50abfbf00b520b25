package lines

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"
)

// read runs ld through a processor of this configuration.
func read(t *testing.T, cfg *Config, ld plog.Logs) plog.Logs {
	t.Helper()
	f, sink := NewFactory(), &consumertest.LogsSink{}
	p, err := f.CreateLogs(context.Background(), processortest.NewNopSettings(f.Type()), cfg, sink)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.ConsumeLogs(context.Background(), ld); err != nil {
		t.Fatal(err)
	}
	return sink.AllLogs()[0]
}

func addLine(sl plog.ScopeLogs, file, body string) plog.LogRecord {
	lr := sl.LogRecords().AppendEmpty()
	lr.Body().SetStr(body)
	lr.Attributes().PutStr(filePathKey, file)
	return lr
}

func TestRecordsAreSplitByService(t *testing.T) {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("zone", "a")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("files")
	addLine(sl, "/hostfs/var/log/dpkg.log", "2026-02-20 16:27:25 status installed")
	addLine(sl, "/hostfs/var/log/syslog", "Feb 10 06:55:46 h sshd[1]: hello")
	addLine(sl, "/hostfs/var/log/dpkg.log", "not understood")
	named := ld.ResourceLogs().AppendEmpty()
	named.Resource().Attributes().PutStr(serviceKey, "given")
	addLine(named.ScopeLogs().AppendEmpty(), "/var/log/x.log", `{"service":"other"}`)
	pod := ld.ResourceLogs().AppendEmpty()
	pod.Resource().Attributes().PutStr(containerKey, "server")
	addLine(pod.ScopeLogs().AppendEmpty(), "/var/log/pods/n_p_u/server/0.log", "hello\n") // as Docker writes it

	out := read(t, &Config{StripRoot: "/hostfs"}, ld)
	got := map[string][]string{}
	for _, rl := range out.ResourceLogs().All() {
		service, _ := rl.Resource().Attributes().Get(serviceKey)
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				file, _ := lr.Attributes().Get(filePathKey)
				got[service.Str()+" "+sl.Scope().Name()] = append(got[service.Str()+" "+sl.Scope().Name()], file.Str()+": "+lr.Body().Str())
			}
		}
	}
	want := map[string][]string{
		"dpkg files": {"/var/log/dpkg.log: 2026-02-20 16:27:25 status installed", "/var/log/dpkg.log: not understood"},
		"sshd files": {"/var/log/syslog: Feb 10 06:55:46 h sshd[1]: hello"},
		"given ":     {`/var/log/x.log: {"service":"other"}`},
		"server ":    {"/var/log/pods/n_p_u/server/0.log: hello"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records by service (-want +got):\n%s", diff)
	}
	if v, ok := out.ResourceLogs().At(1).Resource().Attributes().Get("zone"); !ok || v.Str() != "a" {
		t.Error("a split resource lost its attributes")
	}
}

func TestWhatIsSetWins(t *testing.T) {
	ld := plog.NewLogs()
	lr := addLine(ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty(), "/a.log",
		`{"time":"2026-02-20T16:27:25Z","level":"ERROR","trace_id":"0102030405060708090a0b0c0d0e0f10","span_id":"0102030405060708"}`)
	lr.SetTimestamp(7)
	lr.SetSeverityNumber(plog.SeverityNumberInfo2)
	lr.SetTraceID([16]byte{9})
	body := lr.Body().Str()
	got := read(t, &Config{}, ld).ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	if got.Timestamp() != 7 || got.SeverityNumber() != plog.SeverityNumberInfo2 || got.TraceID() != [16]byte{9} || got.Body().Str() != body {
		t.Errorf("a field that was set has changed: %v %v %v", got.Timestamp(), got.SeverityNumber(), got.TraceID())
	}
	if got.SpanID() != [8]byte{1, 2, 3, 4, 5, 6, 7, 8} {
		t.Errorf("span ID is %v", got.SpanID())
	}
}

func TestJournal(t *testing.T) {
	for _, c := range []struct {
		name           string
		entry          map[string]any
		body, service  string
		severity       plog.SeverityNumber
		wantAttributes map[string]any
	}{
		{"a daemon", map[string]any{"MESSAGE": "gone", "PRIORITY": "3", "SYSLOG_IDENTIFIER": "sshd", "_PID": "7", "_BOOT_ID": "x", "__CURSOR": "s=1"},
			"gone", "sshd", plog.SeverityNumberError, map[string]any{"process.pid": "7", "systemd.cursor": "s=1"}},
		{"a service that prints levels", map[string]any{"MESSAGE": "level=warn msg=x", "PRIORITY": "6", "_SYSTEMD_UNIT": "shop.service"},
			"level=warn msg=x", "shop.service", plog.SeverityNumberWarn, map[string]any{"systemd.unit": "shop.service"}},
		{"bytes", map[string]any{"MESSAGE": []any{int64('a'), float64('b'), int64(0xff)}},
			"ab\uFFFD", "journal", plog.SeverityNumberUnspecified, map[string]any{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ld := plog.NewLogs()
			lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
			if err := lr.Body().FromRaw(c.entry); err != nil {
				t.Fatal(err)
			}
			rl := read(t, &Config{}, ld).ResourceLogs().At(0)
			got := rl.ScopeLogs().At(0).LogRecords().At(0)
			service := ""
			if v, ok := rl.Resource().Attributes().Get(serviceKey); ok {
				service = v.Str()
			}
			if got.Body().AsString() != c.body || service != c.service || got.SeverityNumber() != c.severity {
				t.Errorf("got %q of %q, %v", got.Body().AsString(), service, got.SeverityNumber())
			}
			if diff := cmp.Diff(c.wantAttributes, got.Attributes().AsRaw()); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOtherBodiesStay(t *testing.T) {
	ld := plog.NewLogs()
	lrs := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	lrs.AppendEmpty().Body().SetEmptyMap().PutStr("k", "v")
	lrs.AppendEmpty().Body().SetInt(3)
	lrs.AppendEmpty()
	out := read(t, &Config{}, ld)
	if n := out.LogRecordCount(); n != 3 {
		t.Fatalf("%d records came out, want 3", n)
	}
	if _, ok := out.ResourceLogs().At(0).Resource().Attributes().Get(serviceKey); ok {
		t.Error("a service was made up")
	}
}

func TestConfig(t *testing.T) {
	if err := (&Config{Timezone: "Europe/Nowhere"}).Validate(); err == nil {
		t.Error("an unknown time zone is accepted")
	}
	cfg := NewFactory().CreateDefaultConfig().(*Config)
	if err := cfg.Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
	if z, _ := cfg.zone(); z != time.Local {
		t.Errorf("the default zone is %v", z)
	}
	var _ component.Config = cfg
}
