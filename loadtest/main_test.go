package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/loadtest/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runAgainst runs the program against a fake server and returns its outcome.
func runAgainst(t *testing.T, url string, args ...string) (int, outcome, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"--endpoint", url, "--server", url, "--traces", "60", "--json", "--batch", "200"}, args...)
	code := run(context.Background(), args, &stdout, &stderr, time.Now)
	var out outcome
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil && code != exitUsage {
		t.Fatalf("output is not JSON: %v\n%s%s", err, stdout.String(), stderr.String())
	}
	return code, out, stderr.String()
}

// findings are all findings of a report by check and verdict.
func findings(out outcome) map[string]map[verify.Verdict]int {
	found := map[string]map[verify.Verdict]int{}
	for _, c := range out.Verified.Checks {
		if !c.OK() {
			found[c.Name] = c.Findings
		}
	}
	return found
}

func notes(out outcome) string {
	var b strings.Builder
	for _, c := range out.Verified.Checks {
		for _, n := range c.Notes {
			b.WriteString(c.Name + ": " + n + "\n")
		}
	}
	return b.String()
}

func TestHonestServerPasses(t *testing.T) {
	for name, args := range map[string][]string{
		"everything": nil,
		"sample":     {"--verify-sample", "20"},
		"few logs":   {"--logs", "40"},
		"many logs":  {"--logs", "2500"},
		"other seed": {"--seed", "77", "--duration-of-data", "1m"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := startFake(t, lies{})
			code, out, stderr := runAgainst(t, srv.URL, append([]string{"--verify"}, args...)...)
			if code != exitGood || !out.OK {
				t.Errorf("exit code %d, %s\n%s", code, stderr, notes(out))
			}
			for _, c := range out.Verified.Checks {
				if c.Asked == 0 && !(c.Name == "log lines" && name == "sample") {
					t.Errorf("check %q asked nothing", c.Name)
				}
			}
		})
	}
}

func TestBusyServerLosesNothing(t *testing.T) {
	srv := startFake(t, lies{busy: func(n int) bool { return n%3 == 1 }})
	code, out, _ := runAgainst(t, srv.URL, "--verify")
	if code != exitGood || out.Sent.Retries == 0 {
		t.Errorf("exit code %d after %d retries\n%s", code, out.Sent.Retries, notes(out))
	}
}

// victim is the record that a lie is about, by its place in order of arrival.
const victim = 40

// lieTests are the lies, with what they must be found to be, and by whom.
var lieTests = map[string]struct {
	lies    lies
	verdict verify.Verdict
	checks  []string
}{
	"lost log": {
		lies{logs: func(n int, l fakeLog) []fakeLog {
			if l.trace != "" && n == victim {
				return nil
			}
			return []fakeLog{l}
		}}, verify.Lost, []string{"log counts", "log lines", "correlation", "sessions"},
	},
	"doubled log": {
		lies{logs: func(n int, l fakeLog) []fakeLog {
			if n == victim {
				return []fakeLog{l, l}
			}
			return []fakeLog{l}
		}}, verify.Doubled, []string{"log counts", "log lines"},
	},
	"cut log": {
		lies{logs: func(n int, l fakeLog) []fakeLog {
			if n == victim {
				l.text = l.text[:len(l.text)-1]
			}
			return []fakeLog{l}
		}}, verify.Wrong, []string{"log lines"},
	},
	"lost span": {
		lies{spans: func(n int, s fakeSpan) []fakeSpan {
			if n == victim {
				return nil
			}
			return []fakeSpan{s}
		}}, verify.Lost, []string{"traces", "correlation"},
	},
	"doubled span": {
		lies{spans: func(n int, s fakeSpan) []fakeSpan {
			if n == victim {
				return []fakeSpan{s, s}
			}
			return []fakeSpan{s}
		}}, verify.Doubled, []string{"traces", "correlation"},
	},
	"span without its parent": {
		lies{spans: func(_ int, s fakeSpan) []fakeSpan {
			if s.Name() == "shop.Payment/Charge" && s.Kind() == ptrace.SpanKindServer {
				s.SetParentSpanID([8]byte{})
			}
			return []fakeSpan{s}
		}}, verify.Wrong, []string{"traces", "correlation", "service map"},
	},
	"errors forgotten": {
		lies{spans: func(_ int, s fakeSpan) []fakeSpan {
			s.Status().SetCode(ptrace.StatusCodeUnset)
			return []fakeSpan{s}
		}}, verify.Wrong, []string{"traces", "service map"},
	},
	"wrong service": {
		lies{spans: func(_ int, s fakeSpan) []fakeSpan {
			if s.service == "inventory" {
				s.service = "shipping"
				s.resource.Attributes().PutStr("service.name", "shipping")
			}
			return []fakeSpan{s}
		}}, verify.Lost, []string{"traces", "correlation", "service map", "jaeger"},
	},
}

// TestLiesAreFound tells one lie at a time; every check that can see it must.
func TestLiesAreFound(t *testing.T) {
	for name, tt := range lieTests {
		t.Run(name, func(t *testing.T) {
			srv := startFake(t, tt.lies)
			code, out, _ := runAgainst(t, srv.URL, "--verify", "--senders", "1", "--traces", "120")
			if code != exitFailed || out.OK {
				t.Fatalf("exit code %d, want %d", code, exitFailed)
			}
			found := findings(out)
			for _, c := range tt.checks {
				if found[c][tt.verdict] == 0 {
					t.Errorf("check %q did not find anything %s: %v", c, tt.verdict, found)
				}
			}
		})
	}
}

// TestIsNotSentTwice holds that --verify recognizes a workload that is there,
// with the times that it had then.
func TestIsNotSentTwice(t *testing.T) {
	srv := startFake(t, lies{})
	if code, _, stderr := runAgainst(t, srv.URL); code != exitGood {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var stdout, stderr bytes.Buffer
	later := func() time.Time { return time.Now().Add(7 * time.Second) }
	args := []string{"--endpoint", srv.URL, "--server", srv.URL, "--traces", "60", "--verify"}
	code := run(context.Background(), args, &stdout, &stderr, later)
	if code != exitGood || !strings.Contains(stderr.String(), "not sending it again") {
		t.Errorf("exit code %d\n%s%s", code, stdout.String(), stderr.String())
	}
}

func TestSummaryNamesIDsThatLeadSomewhere(t *testing.T) {
	srv := startFake(t, lies{})
	var stdout, stderr bytes.Buffer
	args := []string{"--endpoint", srv.URL, "--server", srv.URL, "--traces", "100", "--verify"}
	if code := run(context.Background(), args, &stdout, &stderr, time.Now); code != exitGood {
		t.Fatalf("exit code %d: %s%s", code, stdout.String(), stderr.String())
	}
	for _, want := range []string{"100 requests", "clew correlate ", "order", "nothing lost, nothing doubled"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("summary does not say %q:\n%s", want, stdout.String())
		}
	}
}

func TestQuietSaysNothing(t *testing.T) {
	srv := startFake(t, lies{})
	var stdout, stderr bytes.Buffer
	args := []string{"--endpoint", srv.URL, "--server", srv.URL, "--traces", "5", "--verify", "--quiet"}
	if code := run(context.Background(), args, &stdout, &stderr, time.Now); code != exitGood || stdout.Len()+stderr.Len() > 0 {
		t.Errorf("exit code %d, said %q and %q", code, stdout.String(), stderr.String())
	}
}

func TestEndpointThatIsAway(t *testing.T) {
	srv := startFake(t, lies{})
	url := srv.URL
	srv.Close()
	code, out, _ := runAgainst(t, url, "--retry-for", "0s")
	if code != exitFailed || out.Sent.Failed == 0 || len(out.Sent.FirstErrors) == 0 {
		t.Errorf("exit code %d, result %+v", code, out.Sent)
	}
}

func TestWrongUsage(t *testing.T) {
	tests := map[string][]string{
		"unknown flag": {"--sed", "1"},
		"argument":     {"run"},
		"no work":      {"--send=false"},
		"bad end":      {"--end", "yesterday"},
		"bad header":   {"--header", "nothing"},
		"bad window":   {"--duration-of-data", "1s"},
		"bad endpoint": {"--endpoint", "here"},
		"bad server":   {"--server", "here"},
		"bad sample":   {"--verify-sample", "-1"},
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(context.Background(), args, &stdout, &stderr, time.Now); code != exitUsage || stderr.Len() == 0 {
				t.Errorf("exit code %d, said %q", code, stderr.String())
			}
		})
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), []string{"--help"}, &stdout, &stderr, time.Now); code != exitGood {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"-seed", "-endpoint", "-verify", "-duration-of-data"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("help does not tell of %s", want)
		}
	}
}
