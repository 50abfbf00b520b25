package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clewhq/clew/internal/elastictest"
	"github.com/clewhq/clew/storage/metrics/remote/prometheustest"
)

// groupsOfRules is how many groups the rulers share.
const groupsOfRules = 8

// TestRoles runs two collectors, two queriers and two rulers on a real
// Elasticsearch and a real Prometheus, and kills one of each kind under load:
// what was acknowledged is there, once; questions are answered; every group of
// rules is evaluated.
func TestRoles(t *testing.T) {
	es, prom := elastictest.Start(t), prometheustest.Start(t)
	dir := t.TempDir()
	writeRules(t, dir)
	gossip := []string{freeAddr(t), freeAddr(t), freeAddr(t), freeAddr(t), freeAddr(t), freeAddr(t)}
	var all []*instance
	for n, target := range []string{"collector", "collector", "query", "query", "ruler", "ruler"} {
		i := newInstance(t)
		i.extra = []string{"--rules-dir", filepath.Join(dir, "rules"), "--config", roleConfig(t, dir, n, gossip, es.URL, prom.URL), "--target", target}
		i.start()
		all = append(all, i)
	}
	collectors, queriers, rulers := all[0:2], all[2:4], all[4:6]

	load := startLoad(collectors[0].otlp, collectors[1].otlp)
	for _, kind := range [][]*instance{collectors, queriers, rulers} {
		waitFor(t, "more lines are acknowledged", func() bool { return load.more(50) })
		kind[0].kill()
		waitFor(t, "lines are acknowledged while one is away", func() bool { return load.more(50) })
		if kind[0] == rulers[0] {
			waitFor(t, "the other ruler evaluates all groups", func() bool { return ruleGroups(t, rulers[1]) == groupsOfRules })
			waitFor(t, "a querier knows all groups", func() bool { return ruleGroups(t, queriers[1]) == groupsOfRules })
		}
		kind[0].start()
	}
	acked := load.stop()

	waitFor(t, "all lines are there, once", func() bool { return lines(t, queriers[0], acked) })
	waitFor(t, "each ruler has a share, and both have all", func() bool {
		return ruleGroups(t, queriers[1]) == groupsOfRules && ownGroups(t, rulers[0]) > 0 && ownGroups(t, rulers[1]) > 0 &&
			ownGroups(t, rulers[0])+ownGroups(t, rulers[1]) == groupsOfRules
	})
	var series promAnswer
	queriers[0].ask("/prometheus/api/v1/query", url.Values{"query": {`count({__name__=~"shared_.*"})`}}, &series)
	if len(series.Data.Result) != 1 || series.Data.Result[0].Value[1] != fmt.Sprint(groupsOfRules) {
		t.Errorf("recorded series: %v", series.Data.Result)
	}
	for target, path := range map[*instance]string{collectors[0]: "/loki/api/v1/labels", rulers[0]: "/tempo/api/echo"} {
		if res, err := http.Get(target.url(path)); err != nil || res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v, %v; want 404", path, res, err)
		}
	}
}

// promAnswer is a vector.
type promAnswer struct {
	Data struct {
		Result []struct {
			Value [2]any `json:"value"`
		} `json:"result"`
	} `json:"data"`
}

func writeRules(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, "rules"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := "groups:\n"
	for n := range groupsOfRules {
		text += fmt.Sprintf("- {name: g%d, interval: 1s, rules: [{record: shared_%d, expr: vector(%d)}]}\n", n, n, n)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules", "shared.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func roleConfig(t *testing.T, dir string, n int, gossip []string, es, prom string) string {
	t.Helper()
	path := filepath.Join(dir, fmt.Sprintf("%d.yaml", n))
	text := fmt.Sprintf(`
cluster: {listen: %q, join: [%q, %q], probe_interval: 200ms, rejoin_interval: 1s}
storage:
  backend: elasticsearch
  elasticsearch: {addresses: [%q], dataset: roles, replicas: 0}
  metrics: {backend: remote, remote: {query_url: %q}}
telemetry: {store_metrics: 0s}
`, gossip[n], gossip[(n+1)%len(gossip)], gossip[0], es, prom)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// linePause keeps each sender's lines within what one answer holds, however
// long the test takes.
const linePause = 40 * time.Millisecond

// senders send lines, one at a time from each sender, to whichever address of
// OTLP takes them, until they are stopped.
type senders struct {
	mu      sync.Mutex
	acked   []string
	asked   int
	ended   chan struct{}
	running sync.WaitGroup
}

func startLoad(to ...string) *senders {
	l := &senders{ended: make(chan struct{})}
	for s := range 2 {
		l.running.Go(func() {
			for n := 0; ; n++ {
				line := fmt.Sprintf("sender %d line %d", s, n)
				body := lineRequest(line)
				for try := n; !sendBody("http://"+to[try%len(to)]+"/v1/logs", body); try++ {
					select {
					case <-l.ended:
						return
					case <-time.After(10 * time.Millisecond):
					}
				}
				l.mu.Lock()
				l.acked = append(l.acked, line)
				l.mu.Unlock()
				select {
				case <-l.ended:
					return
				case <-time.After(linePause):
				}
			}
		})
	}
	return l
}

// more reports whether n more lines were acknowledged since it last did.
func (l *senders) more(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.acked) < l.asked+n {
		return false
	}
	l.asked = len(l.acked)
	return true
}

func (l *senders) stop() []string {
	close(l.ended)
	l.running.Wait()
	return l.acked
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came about that " + what)
		}
	}
}

// lines reports whether all of the lines are there, and fails where one is
// there twice. A line that was sent and not acknowledged may be there, too.
func lines(t *testing.T, i *instance, want []string) bool {
	t.Helper()
	now := time.Now()
	got := map[string]int{}
	for _, sender := range []string{"sender 0 ", "sender 1 "} {
		var a lokiAnswer
		i.ask("/loki/api/v1/query_range", url.Values{"query": {`{service_name="load"} |= "` + sender + `"`}, "limit": {"5000"},
			"start": {fmt.Sprint(now.Add(-time.Hour).UnixNano())}, "end": {fmt.Sprint(now.Add(time.Hour).UnixNano())}}, &a)
		if len(a.lines()) >= 5000 {
			t.Fatal("more lines than one answer holds: shorten the load")
		}
		for _, line := range a.lines() {
			if got[line]++; got[line] > 1 {
				t.Fatalf("%q is there twice", line)
			}
		}
	}
	for _, line := range want {
		if got[line] == 0 {
			return false
		}
	}
	t.Logf("%d lines acknowledged, %d there", len(want), len(got))
	return true
}

func ruleGroups(t *testing.T, i *instance) int { return groups(t, i, "") }

// ownGroups counts the groups that a ruler itself evaluates.
func ownGroups(t *testing.T, i *instance) int { return groups(t, i, "1") }

func groups(t *testing.T, i *instance, own string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, i.url("/prometheus/api/v1/rules"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if own != "" {
		req.Header.Set("X-Clew-Own-Rules", own)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var a struct {
		Data     struct{ Groups []json.RawMessage }
		Warnings []string
	}
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	if len(a.Warnings) > 0 {
		t.Logf("rules: %s", strings.Join(a.Warnings, "; "))
		return -1
	}
	return len(a.Data.Groups)
}
