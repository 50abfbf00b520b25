// Package freeport finds addresses for the servers of tests. It may import only
// the standard library.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
)

// Ports are looked for below those that systems give to outgoing connections:
// one of these may be taken at any moment, and a server that is started a little
// later, or killed and started again, would not get it.
const (
	lowest = 12_000
	count  = 18_000
)

// next spreads the ports of one process, and of processes side by side.
var next atomic.Uint32

func init() { next.Store(rand.Uint32N(count)) }

// Address returns host:port of the loopback interface that nobody listens on. It
// is not given twice by one process.
func Address() (string, error) {
	for range count {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(lowest+int(next.Add(1)%count)))
		l, err := net.Listen("tcp", address)
		if err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no port is free on the loopback interface")
}
