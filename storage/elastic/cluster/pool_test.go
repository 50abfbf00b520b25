package cluster

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
)

// TestPool follows a node that fails, fails again, and comes back.
func TestPool(t *testing.T) {
	var conns []*elastictransport.Connection
	for _, host := range []string{"a", "b", "c"} {
		conns = append(conns, &elastictransport.Connection{URL: &url.URL{Host: host}})
	}
	p := newPool(conns, time.Second)
	now := time.Unix(1000, 0)
	p.now = func() time.Time { return now }
	asked := func(n int) string {
		t.Helper()
		var out strings.Builder
		for range n {
			c, err := p.Next()
			if err != nil {
				t.Fatal(err)
			}
			out.WriteString(c.URL.Host)
		}
		return out.String()
	}
	expect := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	fail := func(c *elastictransport.Connection) {
		if err := p.OnFailure(c); err != nil {
			t.Fatal(err)
		}
	}
	expect("all in turn", asked(6), "abcabc")
	fail(conns[1])
	fail(conns[1]) // another request of the same moment
	expect("without b", asked(4), "acac")
	now = now.Add(time.Second)
	expect("b is tried again", asked(3), "abc")
	fail(conns[1])
	now = now.Add(time.Second)
	expect("b is left out for longer", asked(3), "aca")
	now = now.Add(time.Second)
	if err := p.OnSuccess(conns[1]); err != nil {
		t.Fatal(err)
	}
	expect("b is back", asked(3), "bca")
	for _, c := range conns {
		now = now.Add(time.Millisecond)
		fail(c)
	}
	expect("the first one to be back, where all fail", asked(2), "aa")
	for range 20 {
		now = now.Add(time.Hour)
		fail(conns[0])
	}
	if most := p.nodes[0].back.Sub(now); most != 16*time.Second {
		t.Errorf("a node is left out for %s, want 16s at most", most)
	}
	if got := len(p.URLs()); got != 3 {
		t.Errorf("%d addresses", got)
	}
	if _, err := newPool(nil, time.Second).Next(); err == nil {
		t.Error("a node of none")
	}
}
