// Package s3test runs a server of the S3 API inside a test: gofakes3 over
// memory, which checks signatures, behind a switch for faults. It is imported
// by tests only.
package s3test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
	"github.com/rclone/gofakes3/signature"

	"github.com/clewhq/clew/storage/local/object"
)

// The credentials and the bucket that there are.
const (
	AccessKey = "clew-test"
	SecretKey = "not-a-secret"
	Bucket    = "records"
)

// Server is a running server.
type Server struct {
	URL string

	backend *s3mem.Backend
	mu      sync.Mutex
	fault   Fault
	count   map[string]int // requests by method
}

// Fault answers in the place of the server, or not: then it reports false.
type Fault func(w http.ResponseWriter, r *http.Request) bool

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{backend: s3mem.New(), count: map[string]int{}}
	if err := s.backend.CreateBucket(context.Background(), Bucket); err != nil {
		t.Fatal(err)
	}
	signature.StoreKeys(map[string]string{AccessKey: SecretKey})
	fake := gofakes3.New(s.backend).Server()
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		fault := s.fault
		s.count[r.Method]++
		s.mu.Unlock()
		if fault != nil && fault(w, r) || !signed(w, r) {
			return
		}
		// A delimiter that is empty is none; gofakes3 takes it for one.
		if q := r.URL.Query(); q.Has("delimiter") && q.Get("delimiter") == "" {
			q.Del("delimiter")
			r.URL.RawQuery = q.Encode()
		}
		fake.ServeHTTP(w, r)
	}))
	s.URL = h.URL
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return s
}

// signed refuses a request whose signature is wrong.
func signed(w http.ResponseWriter, r *http.Request) bool {
	code := signature.V4SignVerify(r)
	if code == signature.ErrNone {
		return true
	}
	e := signature.GetAPIError(code)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(e.HTTPStatusCode)
	_, _ = w.Write(signature.EncodeAPIErrorToResponse(e))
	return false
}

// Config is a configuration that reaches the server.
func (s *Server) Config() object.Config {
	c := object.DefaultConfig()
	c.Kind = object.KindS3
	c.S3 = object.S3{
		Endpoint: s.URL, Bucket: Bucket, Prefix: "clew/a", Region: "us-east-1", PathStyle: true,
		AccessKey: AccessKey, SecretKey: SecretKey,
	}
	return c
}

// SetFault sets what goes wrong from now on, nil for nothing.
func (s *Server) SetFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Requests returns how many requests there were of a method.
func (s *Server) Requests(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[method]
}

// Keys lists the objects with a prefix.
func (s *Server) Keys(t testing.TB, prefix string) (keys []string) {
	t.Helper()
	list, err := s.backend.ListBucket(context.Background(), Bucket, &gofakes3.Prefix{}, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Contents {
		if strings.HasPrefix(o.Key, prefix) {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

// Change replaces what is in an object by what change returns; nil removes it.
func (s *Server) Change(t testing.TB, key string, change func([]byte) []byte) {
	t.Helper()
	o, err := s.backend.GetObject(context.Background(), Bucket, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(o.Contents)
	if err != nil {
		t.Fatal(err)
	}
	if data = change(data); data == nil {
		if _, err := s.backend.DeleteObject(context.Background(), Bucket, key); err != nil {
			t.Fatal(err)
		}
		return
	}
	s.Add(t, key, data)
}

// Add stores an object.
func (s *Server) Add(t testing.TB, key string, data []byte) {
	t.Helper()
	if _, err := s.backend.PutObject(context.Background(), Bucket, key, map[string]string{}, strings.NewReader(string(data)), int64(len(data))); err != nil {
		t.Fatal(err)
	}
}

// Away hangs up on everybody.
func Away(w http.ResponseWriter, _ *http.Request) bool {
	panic(http.ErrAbortHandler)
}

// Busy answers that there is too much to do.
func Busy(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, `<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`)
	return true
}

// Silent answers nothing until the client gives up.
func Silent(_ http.ResponseWriter, r *http.Request) bool {
	waitFor(r.Context())
	panic(http.ErrAbortHandler)
}

func waitFor(ctx context.Context) { <-ctx.Done() }
