package compare

import (
	"strings"
	"testing"
	"time"
)

func TestParsePeers(t *testing.T) {
	got, err := ParsePeers("victorialogs=http://127.0.0.1:9428/, tempo=http://127.0.0.1:3200")
	if err != nil {
		t.Fatal(err)
	}
	want := []Target{
		{Name: VictoriaLogs, URL: "http://127.0.0.1:9428", OTLP: "http://127.0.0.1:9428/insert/opentelemetry"},
		{Name: Tempo, URL: "http://127.0.0.1:3200"},
	}
	if len(got) != len(want) {
		t.Fatalf("ParsePeers = %+v, want %d of them", got, len(want))
	}
	for i := range want {
		if got[i].Name != want[i].Name || got[i].URL != want[i].URL || got[i].OTLP != want[i].OTLP {
			t.Errorf("peer %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	for in, says := range map[string]string{
		"loki":                        "want name=url",
		"loki=":                       "want name=url",
		"splunk=http://127.0.0.1:1":   "jaeger, loki, tempo, victorialogs, victoriatraces",
		"clew=http://127.0.0.1:1":     "not known",
		"loki=http://a,loki=http://b": "given twice",
	} {
		if _, err := ParsePeers(in); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ParsePeers(%q) = %v, want an error that says %q", in, err, says)
		}
	}
}

func TestAssign(t *testing.T) {
	targets := []Target{{Name: Clew}, {Name: Jaeger}}
	for what, pair := range map[string]string{"pid": "clew=12", "peer-otlp": "jaeger=http://127.0.0.1:4318/", "dir": "jaeger=/data", "serve": "jaeger=bin/jaeger --set=a=b"} {
		if err := Assign(targets, what, pair); err != nil {
			t.Errorf("Assign(%s, %s): %v", what, pair, err)
		}
	}
	if targets[0].PID != 12 || targets[1].OTLP != "http://127.0.0.1:4318" || len(targets[1].Dirs) != 1 || len(targets[1].Command) != 2 {
		t.Errorf("targets are %+v", targets)
	}
	for _, bad := range []struct{ what, pair, says string }{
		{"pid", "clew", "name=value"},
		{"pid", "clew=x", "number of a process"},
		{"pid", "clew=0", "number of a process"},
		{"dir", "loki=/data", "no peer of that name"},
	} {
		if err := Assign(targets, bad.what, bad.pair); err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("Assign(%s, %s) = %v, want an error that says %q", bad.what, bad.pair, err, bad.says)
		}
	}
}

func TestValidate(t *testing.T) {
	good := func() Config {
		c := DefaultConfig()
		c.Targets = []Target{
			{Name: Clew, URL: "http://127.0.0.1:2539", OTLP: "http://127.0.0.1:4318"},
			{Name: Loki, URL: "http://127.0.0.1:3100", OTLP: "http://127.0.0.1:3100/otlp"},
		}
		return c
	}
	if err := good().Validate(); err != nil {
		t.Fatalf("a good comparison: %v", err)
	}
	for says, spoil := range map[string]func(*Config){
		"nothing to compare":    func(c *Config) { c.Targets = c.Targets[:1] },
		"is not known":          func(c *Config) { c.Targets[1].Name = "splunk" },
		"want a URL such as":    func(c *Config) { c.Targets[1].OTLP = "" },
		"questions in":          func(c *Config) { c.Rounds = 0 },
		"of quiet":              func(c *Config) { c.SettleMax = time.Second },
		"timeout of a question": func(c *Config) { c.Timeout = 0 },
	} {
		c := good()
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Validate = %v, want an error that says %q", err, says)
		}
	}
}
