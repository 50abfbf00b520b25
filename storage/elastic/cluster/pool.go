package cluster

import (
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
)

// pool picks the node that a request goes to: each in turn, leaving out for a
// while those that did not answer. The client's own pool leaves a node out for
// a minute and more, which is long for one that has restarted.
type pool struct {
	delay time.Duration // after the first failure; it doubles with each
	now   func() time.Time

	mu    sync.Mutex
	nodes []*node
	next  int
}

// node is one of the cluster's.
type node struct {
	conn     *elastictransport.Connection
	failures int
	back     time.Time // before it, others are asked
}

// maxNodeDelays bounds how often the delay doubles.
const maxNodeDelays = 4

var _ elastictransport.ConcurrentSafeConnectionPool = (*pool)(nil)

func newPool(conns []*elastictransport.Connection, delay time.Duration) *pool {
	p := &pool{delay: delay, now: time.Now}
	for _, c := range conns {
		p.nodes = append(p.nodes, &node{conn: c})
	}
	return p
}

// ConcurrentSafe implements elastictransport.ConcurrentSafeConnectionPool.
func (p *pool) ConcurrentSafe() {}

// Next implements elastictransport.ConnectionPool. Where every node is left
// out, the one whose time is over first is asked.
func (p *pool) Next() (*elastictransport.Connection, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var best *node
	for range p.nodes {
		n := p.nodes[p.next%len(p.nodes)]
		p.next++
		if n.failures == 0 || !p.now().Before(n.back) {
			return n.conn, nil
		}
		if best == nil || n.back.Before(best.back) {
			best = n
		}
	}
	if best == nil {
		return nil, errors.New("there is no address of a node")
	}
	return best.conn, nil
}

// OnSuccess implements elastictransport.ConnectionPool.
func (p *pool) OnSuccess(c *elastictransport.Connection) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.find(c); n != nil {
		n.failures = 0
	}
	return nil
}

// OnFailure implements elastictransport.ConnectionPool.
func (p *pool) OnFailure(c *elastictransport.Connection) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.find(c)
	if n == nil {
		return nil
	}
	// Requests that were under way together fail together: that is once.
	if now := p.now(); n.failures == 0 || !now.Before(n.back) {
		n.back = now.Add(p.delay << min(n.failures, maxNodeDelays))
		n.failures++
	}
	return nil
}

func (p *pool) find(c *elastictransport.Connection) *node {
	for _, n := range p.nodes {
		if n.conn == c {
			return n
		}
	}
	return nil
}

// URLs implements elastictransport.ConnectionPool.
func (p *pool) URLs() []*url.URL {
	out := make([]*url.URL, len(p.nodes))
	for i, n := range p.nodes {
		out[i] = n.conn.URL
	}
	return out
}
