package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"
)

// listener is one open port and what serves it.
type listener struct {
	name  string
	net   net.Listener
	serve func(net.Listener) error
	stop  func(context.Context) error
}

// listen opens addr. The error says which key to change.
func listen(key, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("open %s %s: %w; set another address with --%s", key, addr, err, strings.ReplaceAll(key, "_", "-"))
	}
	return l, nil
}

// httpListener serves handler with HTTP/1.1 and cleartext HTTP/2, which gRPC
// needs on the shared port.
func httpListener(name string, l net.Listener, h http.Handler, readHeader, idle time.Duration) *listener {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	// Requests end when the server stops: a live tail would hold it up forever.
	base, cancel := context.WithCancel(context.Background())
	s := &http.Server{
		Handler: h, Protocols: &protocols, ReadHeaderTimeout: readHeader, IdleTimeout: idle,
		BaseContext: func(net.Listener) context.Context { return base },
	}
	return &listener{
		name: name, net: l,
		serve: func(l net.Listener) error {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
		stop: func(ctx context.Context) error {
			grace, done := context.WithTimeout(ctx, drainGrace)
			defer done()
			if s.Shutdown(grace) == nil {
				cancel()
				return nil
			}
			cancel()
			if err := s.Shutdown(ctx); err != nil {
				return s.Close()
			}
			return nil
		},
	}
}

// drainGrace is how long requests may finish by themselves before they are
// told to stop.
const drainGrace = 2 * time.Second

func grpcListener(name string, l net.Listener, s *grpc.Server) *listener {
	return &listener{
		name: name, net: l, serve: s.Serve,
		stop: func(ctx context.Context) error {
			done := make(chan struct{})
			go func() { s.GracefulStop(); close(done) }()
			select {
			case <-done:
			case <-ctx.Done():
				s.Stop()
				<-done
			}
			return nil
		},
	}
}

// orGRPC sends gRPC requests to g and all others to h, on one port.
func orGRPC(g *grpc.Server, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			g.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}
