package elastictest

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// clusterHeap is what each node of a cluster gets: three of them share a
// machine with all else.
const clusterHeap = "256m"

// Cluster is some nodes, each a process of its own.
type Cluster struct{ Nodes []*Node }

// StartCluster starts some nodes for the test, which stops them with t.Cleanup.
func StartCluster(t testing.TB, total int) *Cluster {
	t.Helper()
	dir, err := TempDir()
	if err != nil {
		t.Fatal(err)
	}
	home, err := build()
	if err != nil {
		t.Fatal(err)
	}
	// Ports in a row for each kind: node N listens on the N-th.
	first, err := freePorts(2 * total)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{}
	t.Cleanup(func() {
		for _, n := range c.Nodes {
			n.Kill()
		}
		_ = os.RemoveAll(dir)
	})
	for i := range total {
		n := &Node{
			URL: fmt.Sprintf("http://127.0.0.1:%d", first+i), dir: dir, home: home, heap: clusterHeap,
			number: i + 1, total: total, http: first, inner: first + total,
		}
		if err := n.launch(); err != nil {
			t.Fatal(err)
		}
		c.Nodes = append(c.Nodes, n)
	}
	for _, n := range c.Nodes { // an election takes a majority of them
		if err := n.wait(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// URLs are where the nodes answer.
func (c *Cluster) URLs() []string {
	var out []string
	for _, n := range c.Nodes {
		out = append(out, n.URL)
	}
	return out
}

// Master returns the node that leads the cluster.
func (c *Cluster) Master() (*Node, error) {
	res, err := http.Get(c.Nodes[0].URL + "/_cat/master?h=node")
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	name, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	for _, n := range c.Nodes {
		if strings.TrimSpace(string(name)) == fmt.Sprintf("node-%d", n.number) {
			return n, nil
		}
	}
	return nil, fmt.Errorf("the cluster's master is %q", name)
}
