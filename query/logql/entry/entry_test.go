package entry

import (
	"strings"
	"testing"

	"github.com/clewhq/clew/telemetry"
)

func attrs(pairs ...string) telemetry.Attrs {
	var out telemetry.Attrs
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, telemetry.Attr{Key: pairs[i], Value: telemetry.String(pairs[i+1])})
	}
	return out
}

func text(labels []Label) string {
	parts := make([]string, len(labels))
	for i, l := range labels {
		parts[i] = l.Name + "=" + l.Value
	}
	return strings.Join(parts, " ")
}

func TestName(t *testing.T) {
	for in, want := range map[string]string{
		"service.name": "service_name", "a": "a", "A_b9": "A_b9", "k8s.pod/uid-x": "k8s_pod_uid_x", "1st": "_1st", "ü.x": "__x", "": "", "a b": "a_b", "漢字": "__",
	} {
		if got := Name(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestStreamLabels(t *testing.T) {
	for _, c := range []struct {
		in   telemetry.Attrs
		want string
	}{
		{nil, "service_name=unknown_service"},
		{attrs("service.name", "a", "b.c", "d"), "b_c=d service_name=a"},
		{attrs("service_name", "pushed"), "service_name=pushed"},
		{attrs("service.name", "", "app", "x"), "app=x service_name=x"},
		{attrs("job", "j", "app", "a"), "app=a job=j service_name=a"},
		{attrs("workload", "w", "job", "j"), "job=j service_name=w workload=w"},
		{attrs("k8s.container.name", "kc", "container", "c"), "container=c k8s_container_name=kc service_name=c"},
		{attrs("a.b", "first", "a_b", "second", "service", "s"), "a_b=first service=s service_name=s"},
		{attrs("empty", "", "name", "n"), "name=n service_name=n"},
	} {
		st := telemetry.NewStream(telemetry.Resource{Attrs: c.in}, telemetry.Scope{})
		if got := text(StreamLabels(st)); got != c.want {
			t.Errorf("%v: got %s, want %s", c.in, got, c.want)
		}
	}
}

func TestMeta(t *testing.T) {
	st := telemetry.NewStream(telemetry.Resource{Attrs: attrs("service.name", "s"), Dropped: 2},
		telemetry.Scope{Name: "lib", Version: "1", Dropped: 3, Attrs: attrs("scope.attr", "x")})
	v := NewStream(st)
	l := telemetry.Log{Stream: st, Severity: 13, SeverityText: "WARN", EventName: "ev", Observed: 5, Flags: 1, Dropped: 4,
		Body: telemetry.Map(telemetry.Attrs{{Key: "k", Value: telemetry.Int(1)}}), Attrs: attrs("http.route", "/", "detected_level", "error", "none", "")}
	l.TraceID[15], l.SpanID[7] = 1, 2
	want := "trace_id=00000000000000000000000000000001 span_id=0000000000000002 severity_number=13 severity_text=WARN event_name=ev " +
		"observed_timestamp=5 flags=1 dropped_attributes_count=4 scope_name=lib scope_version=1 scope_dropped_attributes_count=3 " +
		"resource_dropped_attributes_count=2 scope_attr=x http_route=/ detected_level=warn"
	if got := text(AppendMeta(nil, v, &l)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLevel(t *testing.T) {
	for _, c := range []struct {
		resource telemetry.Attrs
		log      telemetry.Log
		want     string
	}{
		{nil, telemetry.Log{Severity: 1}, "trace"},
		{nil, telemetry.Log{Severity: 24}, "fatal"},
		{attrs("level", "debug"), telemetry.Log{Severity: 17, Attrs: attrs("level", "info")}, "error"},
		{nil, telemetry.Log{SeverityText: "Warning"}, "warn"},
		{nil, telemetry.Log{SeverityText: "weird", Attrs: attrs("level", "E")}, "error"},
		{nil, telemetry.Log{SeverityText: "weird"}, "weird"},
		{attrs("severity", "x", "level", "odd"), telemetry.Log{Body: telemetry.String("an error")}, "odd"},
		{nil, telemetry.Log{Attrs: attrs("lvl", "info", "severity", "WARNING")}, "warn"},
		{nil, telemetry.Log{Attrs: attrs("log.level", "CRITICAL")}, "critical"},
		{nil, telemetry.Log{Attrs: attrs("detected_level", "info")}, "info"},
		{attrs("level", "debug"), telemetry.Log{Body: telemetry.String("an error")}, "debug"},
	} {
		v := NewStream(telemetry.NewStream(telemetry.Resource{Attrs: c.resource}, telemetry.Scope{}))
		if got := Level(v, &c.log); got != c.want {
			t.Errorf("%v %v: got %s, want %s", c.resource, c.log, got, c.want)
		}
	}
}

func TestLevelOfText(t *testing.T) {
	for line, want := range map[string]string{
		"":                                       "unknown",
		"nothing":                                "unknown",
		`{"level":"warn","msg":"error"}`:         "warn",
		`  {"severity" : "INFO"}`:                "info",
		`{"msg":"x","lvl":"dbg"}`:                "debug",
		`{"level":5}`:                            "unknown",
		`{"msg":"an error"}`:                     "error",
		"ts=1 level=info msg=error":              "info",
		`ts=1 lvl="warn" x`:                      "warn",
		"mylevel=error":                          "error",
		"[WARN] low disk":                        "warn",
		"2024 ERROR x INFO y":                    "error",
		"INFO: no error":                         "info",
		"terrorist information":                  "unknown",
		"misc:error":                             "unknown",
		"misc error: x":                          "error",
		"status=error":                           "error",
		"trace x":                                "trace",
		"trace id 7, error":                      "error",
		"order 7 failed, trace 0af7651916cd43dd": "unknown",
		"errorless":                              "unknown",
		"panic: runtime":                         "unknown",
		"critical: x":                            "critical",
		strings.Repeat("x ", levelScan) + "error": "unknown",
	} {
		if got := levelOfText(line); got != want {
			t.Errorf("%q: got %s, want %s", line, got, want)
		}
	}
}
