package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clewhq/clew/internal/elastictest"
	"github.com/clewhq/clew/storage/metrics/remote/prometheustest"
)

// groupsOfRules is how many groups the rulers share.
const groupsOfRules = 8

// TestRoles runs two collectors, two queriers and two rulers on three nodes of a
// real Elasticsearch and a real Prometheus. One of each kind is killed under
// load, then every process of clew is started again in turn: what was
// acknowledged is there, once; questions are answered; every group of rules is
// evaluated.
func TestRoles(t *testing.T) {
	c := startRoles(t)
	load := startLoad(c.collectors[0].otlp, c.collectors[1].otlp)
	for _, kind := range [][]*instance{c.collectors, c.queriers, c.rulers} {
		waitFor(t, "more lines are acknowledged", func() bool { return load.more(50) })
		kind[0].kill()
		waitFor(t, "lines are acknowledged while one is away", func() bool { return load.more(50) })
		if kind[0] == c.rulers[0] {
			waitFor(t, "the other ruler evaluates all groups", func() bool { return ruleGroups(t, c.rulers[1]) == groupsOfRules })
			waitFor(t, "a querier knows all groups", func() bool { return ruleGroups(t, c.queriers[1]) == groupsOfRules })
		}
		kind[0].start()
	}
	c.loseNode(load)
	for _, i := range slices.Concat(c.collectors, c.queriers, c.rulers) {
		i.stop()
		waitFor(t, "lines are acknowledged while one is started again", func() bool { return load.more(25) })
		i.start()
	}
	acked := load.stop()

	waitFor(t, "all lines are there, once", func() bool { return lines(t, c.queriers[0], acked) })
	c.checkRules()
	for target, path := range map[*instance]string{c.collectors[0]: "/loki/api/v1/labels", c.rulers[0]: "/tempo/api/echo"} {
		if res, err := http.Get(target.url(path)); err != nil || res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v, %v; want 404", path, res, err)
		}
	}
}

// roles is clew on several processes, with what they share.
type roles struct {
	t                            *testing.T
	es                           *elastictest.Cluster
	collectors, queriers, rulers []*instance
}

func startRoles(t *testing.T) *roles {
	t.Helper()
	c := &roles{t: t, es: elastictest.StartCluster(t, 3)}
	prom, dir := prometheustest.Start(t), t.TempDir()
	writeRules(t, dir)
	var gossip []string
	for range 6 {
		gossip = append(gossip, freeAddr(t))
	}
	for n, role := range []*[]*instance{&c.collectors, &c.collectors, &c.queriers, &c.queriers, &c.rulers, &c.rulers} {
		i := newInstance(t)
		target := []string{"collector", "query", "ruler"}[n/2]
		i.extra = []string{"--rules-dir", filepath.Join(dir, "rules"), "--config", roleConfig(t, dir, n, gossip, c.es.URLs(), prom.URL), "--target", target}
		i.start()
		*role = append(*role, i)
	}
	return c
}

// loseNode kills the node that leads Elasticsearch: lines are taken, and
// questions answered again before it comes back.
func (c *roles) loseNode(load *senders) {
	c.t.Helper()
	master, err := c.es.Master()
	if err != nil {
		c.t.Fatal(err)
	}
	master.Kill()
	waitFor(c.t, "lines are acknowledged without a node", func() bool { return load.more(50) })
	waitFor(c.t, "questions are answered without a node", func() bool {
		res, err := http.Get(c.queriers[0].url("/loki/api/v1/query?query=" + url.QueryEscape(`count_over_time({service_name="load"}[1h])`)))
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	if err := master.Restart(); err != nil {
		c.t.Fatal(err)
	}
}

// checkRules demands that each ruler has a share of the groups, that both have
// all of them, and that what they record is there.
func (c *roles) checkRules() {
	c.t.Helper()
	waitFor(c.t, "each ruler has a share, and both have all", func() bool {
		a, b := ownGroups(c.t, c.rulers[0]), ownGroups(c.t, c.rulers[1])
		return ruleGroups(c.t, c.queriers[1]) == groupsOfRules && a > 0 && b > 0 && a+b == groupsOfRules
	})
	var series promAnswer
	c.queriers[0].ask("/prometheus/api/v1/query", url.Values{"query": {`count({__name__=~"shared_.*"})`}}, &series)
	if len(series.Data.Result) != 1 || series.Data.Result[0].Value[1] != fmt.Sprint(groupsOfRules) {
		c.t.Errorf("recorded series: %v", series.Data.Result)
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

func roleConfig(t *testing.T, dir string, n int, gossip, es []string, prom string) string {
	t.Helper()
	path := filepath.Join(dir, fmt.Sprintf("%d.yaml", n))
	addresses, err := json.Marshal(es) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`
cluster: {listen: %q, join: [%q, %q], probe_interval: 200ms, rejoin_interval: 1s}
storage:
  backend: elasticsearch
  elasticsearch: {addresses: %s, dataset: roles, request_timeout: 5s}
  metrics: {backend: remote, remote: {query_url: %q}}
telemetry: {store_metrics: 0s}
`, gossip[n], gossip[(n+1)%len(gossip)], gossip[0], addresses, prom)
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
