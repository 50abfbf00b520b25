package elastictest

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Fault is what a Proxy does to the connections that go through it.
type Fault struct {
	// Latency is how long every piece of an answer is held back.
	Latency time.Duration
	// Cut, if set, resets a connection after so many bytes of answers.
	Cut int
	// Drip, if set, is how many bytes go through with each Latency.
	Drip int
	// Answer, if set, is what every request gets at once instead of an answer.
	Answer string
}

// Proxy is a way to a node that can be made a bad one.
type Proxy struct {
	// URL is where it listens.
	URL string
	// Struck counts the connections that a fault was put on.
	Struck atomic.Int64

	to       string
	listener net.Listener
	mu       sync.Mutex
	fault    Fault
	open     map[net.Conn]bool
	closed   bool
	running  sync.WaitGroup
}

// NewProxy returns a way to the node, which goes with the test.
func NewProxy(t testing.TB, n *Node) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{URL: "http://" + l.Addr().String(), to: strings.TrimPrefix(n.URL, "http://"), listener: l, open: map[net.Conn]bool{}}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.cut()
		p.running.Wait()
	})
	return p
}

// Set puts a fault on all connections from now on; the zero Fault is none.
// Those that are open are ended, so that the next request meets it.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	p.fault = f
	p.mu.Unlock()
	p.cut()
}

func (p *Proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
	}
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		if !p.hold(c) {
			return
		}
		p.running.Go(func() {
			defer p.drop(c)
			p.serve(c)
		})
	}
}

// hold remembers a connection, and reports false where the proxy is closed.
func (p *Proxy) hold(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return false
	}
	p.open[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = c.Close()
	delete(p.open, c)
}

func (p *Proxy) serve(c net.Conn) {
	p.mu.Lock()
	f := p.fault
	p.mu.Unlock()
	if f != (Fault{}) {
		p.Struck.Add(1)
	}
	if f.Answer != "" {
		if _, err := c.Read(make([]byte, 64<<10)); err == nil {
			_, _ = io.WriteString(c, f.Answer)
		}
		return
	}
	node, err := net.Dial("tcp", p.to)
	if err != nil || !p.hold(node) {
		return
	}
	defer p.drop(node)
	p.running.Go(func() {
		_, _ = io.Copy(node, c)
		_ = node.Close()
	})
	p.answers(c, node, f)
}

// answers carries what the node says to the client.
func (p *Proxy) answers(c, node net.Conn, f Fault) {
	buf := make([]byte, 32<<10)
	if f.Drip > 0 {
		buf = buf[:f.Drip]
	}
	for sent := 0; ; {
		n, err := node.Read(buf)
		if f.Latency > 0 {
			time.Sleep(f.Latency)
		}
		if f.Cut > 0 && sent+n > f.Cut {
			_, _ = c.Write(buf[:f.Cut-sent])
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset, not an end
			}
			return
		}
		if _, werr := c.Write(buf[:n]); err != nil || werr != nil {
			return
		}
		sent += n
	}
}
