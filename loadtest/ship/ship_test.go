package ship

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/clewhq/clew/loadtest/workload"
)

// TestMain is also the programs that are compared: the test runs itself.
func TestMain(m *testing.M) {
	if i := slices.Index(os.Args, "--config"); i > 0 {
		os.Exit(beProgram(os.Args[i+1]))
	}
	goleak.VerifyTestMain(m)
}

func testRun(t *testing.T, es *fakeElastic, change func(*Config)) (*Report, error) {
	t.Helper()
	w, err := workload.New(workload.Config{Seed: 1, Requests: 20, End: time.Unix(1_700_000_000, 0), Window: time.Minute, MetricStep: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Elasticsearch, cfg.Rounds = es.server.URL, 2
	cfg.Programs = map[string]string{Clew: os.Args[0], Collector: os.Args[0]}
	cfg.Quiet, cfg.SettleMax = 50*time.Millisecond, 20*time.Second
	change(&cfg)
	return Run(context.Background(), cfg, w, w.Truth())
}

func TestEverybodyHasTheSameTurns(t *testing.T) {
	es := startFakeElastic(t, false)
	var log bytes.Buffer
	report, err := testRun(t, es, func(c *Config) { c.Log = &log })
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	records := map[string]int{}
	for _, turn := range report.Turns {
		if turn.Records == 0 || turn.Docs != turn.Records || turn.Bytes < fakeBytes*int64(turn.Docs) || turn.PeakMemory == 0 {
			t.Errorf("turn is %+v: want as many documents as records, and their bytes", *turn)
		}
		records[turn.Side] += turn.Records
	}
	for _, name := range Names() {
		if records[name] != records[Clew] || records[name] == 0 {
			t.Errorf("%s brought %d records, clew %d: want the same", name, records[name], records[Clew])
		}
	}
	if left := es.left(); len(left) > 0 {
		t.Errorf("%v are left in Elasticsearch, want nothing", left)
	}
	var text strings.Builder
	if err := report.Write(&text); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(text.String(), "\n"); lines != 1+2*len(Names()) || !strings.Contains(text.String(), "(1.00 x)") {
		t.Errorf("report is\n%s", text.String())
	}
}

func TestRecordsThatAreLost(t *testing.T) {
	es := startFakeElastic(t, true)
	_, err := testRun(t, es, func(c *Config) { c.SettleMax, c.Sides = 200*time.Millisecond, []string{"collector"} })
	if err == nil || !strings.Contains(err.Error(), "are in Elasticsearch after") {
		t.Errorf("got %v, want that records are missing", err)
	}
}

func TestMappingsAreJSON(t *testing.T) {
	for _, s := range sides {
		for signal := range s.streams {
			text, err := configs.ReadFile("configs/" + string(signal) + ".json")
			if err != nil || !json.Valid(text) {
				t.Errorf("mappings of %s: %v, valid %v", signal, err, json.Valid(text))
			}
		}
	}
}

func TestBadSettings(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"address of Elasticsearch": func(c *Config) { c.Elasticsearch = "nowhere" },
		"not known":                func(c *Config) { c.Sides = []string{"logstash"} },
		"collector=PATH":           func(c *Config) { delete(c.Programs, Collector) },
		"0 rounds":                 func(c *Config) { c.Rounds = 0 },
		"settled":                  func(c *Config) { c.Quiet = 0 },
		"positive times":           func(c *Config) { c.Timeout = 0 },
	} {
		cfg := DefaultConfig()
		cfg.Elasticsearch, cfg.Programs = "http://127.0.0.1:1", map[string]string{Clew: "clew", Collector: "otelcol"}
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestParsePrograms(t *testing.T) {
	got, err := ParsePrograms("clew=bin/clew, collector=/opt/otelcol")
	if err != nil || got[Clew] != "bin/clew" || got[Collector] != "/opt/otelcol" {
		t.Errorf("got %v, %v", got, err)
	}
	for text, want := range map[string]string{"clew": "name=path", "vector=x": "not known", "clew=a,clew=b": "twice"} {
		if _, err := ParsePrograms(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
}
