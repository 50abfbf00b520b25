package outbound

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mount is a folder of secrets as Kubernetes mounts it: files are links to where
// a link leads that is replaced when one of them changes.
type mount struct {
	t   *testing.T
	dir string
	n   int
}

func (m *mount) set(name, text string) string {
	m.t.Helper()
	m.n++
	version := filepath.Join(m.dir, strings.Repeat("v", m.n))
	link := filepath.Join(m.dir, "..data")
	for _, err := range []error{
		os.Mkdir(version, 0o700),
		os.WriteFile(filepath.Join(version, name), []byte(text), 0o600),
		os.Symlink(version, link+"_tmp"),
		os.Rename(link+"_tmp", link),
	} {
		if err != nil {
			m.t.Fatal(err)
		}
	}
	path := filepath.Join(m.dir, name)
	if m.n == 1 {
		if err := os.Symlink(filepath.Join("..data", name), path); err != nil {
			m.t.Fatal(err)
		}
	}
	return path
}

// ask makes a request and returns what the server says, or the error.
func ask(t *testing.T, way http.RoundTripper, url string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := way.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func made(t *testing.T, c Credentials) *Transport {
	t.Helper()
	way, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(way.CloseIdleConnections)
	return way
}

// TestWhoCalls: each way to say it, and that another one holds from the next
// request on.
func TestWhoCalls(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said := r.Header.Get("Authorization")
		if user, password, ok := r.BasicAuth(); ok {
			said = user + " " + password
		}
		_, _ = io.WriteString(w, said)
	}))
	t.Cleanup(srv.Close)
	files := &mount{t: t, dir: t.TempDir()}
	file := files.set("secret", "first\n")
	way := made(t, Credentials{})
	for _, c := range []struct {
		c    Credentials
		want string
	}{
		{Credentials{}, ""},
		{Credentials{Username: "u", Password: "p"}, "u p"},
		{Credentials{Username: "u", PasswordFile: file}, "u first"},
		{Credentials{Scheme: "ApiKey", Token: "k"}, "ApiKey k"},
		{Credentials{Scheme: "ApiKey", TokenFile: file, Username: "u", Password: "p"}, "ApiKey first"},
		{Credentials{Token: "Bearer t"}, "Bearer t"},
		{Credentials{TokenFile: file}, "first"},
	} {
		use, err := way.Prepare(c.c)
		if err != nil {
			t.Fatal(err)
		}
		use()
		if got := ask(t, way, srv.URL); got != c.want {
			t.Errorf("%+v: %q, want %q", c.c, got, c.want)
		}
	}
	if got := ask(t, way, strings.Replace(srv.URL, "//", "//in:address@", 1)); got != "in address" {
		t.Errorf("credentials in the address: %q", got)
	}
	files.set("secret", "second")
	if got := ask(t, way, srv.URL); got != "second" {
		t.Errorf("after the file changed: %q", got)
	}
	files.set("secret", "")
	if got := ask(t, way, srv.URL); !strings.Contains(got, file+" is empty") {
		t.Errorf("an empty file: %q", got)
	}
	files.set("other", "")
	if got := ask(t, way, srv.URL); !strings.Contains(got, file) {
		t.Errorf("a file that is gone: %q", got)
	}
	if _, err := way.Prepare(Credentials{Username: "u", PasswordFile: file}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("credentials without their file: %v", err)
	}
	if _, err := way.Prepare(Credentials{CAFile: file}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("certificates without their file: %v", err)
	}
	files.set("secret", "third")
	if got := ask(t, way, srv.URL); got != "third" {
		t.Errorf("after the file came back: %q", got)
	}
}

// authority makes a certificate that vouches for itself, for 127.0.0.1.
func authority(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func listener(t *testing.T, c *tls.Config) net.Listener {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestOtherCertificates: the server gets another certificate, and the file that
// says whom to trust follows.
func TestOtherCertificates(t *testing.T) {
	first, trustFirst := authority(t)
	second, trustSecond := authority(t)
	var now atomic.Pointer[tls.Certificate]
	now.Store(&first)
	// Without names there is no SNI: the certificate is asked for where there is
	// no other one.
	srv := &httptest.Server{
		Listener: listener(t, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return now.Load(), nil }}),
		Config: &http.Server{
			Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "good") }),
			ErrorLog:          log.New(io.Discard, "", 0),
			ReadHeaderTimeout: time.Minute,
		},
	}
	srv.Start()
	t.Cleanup(srv.Close)
	srv.URL = "https://" + srv.Listener.Addr().String()
	files := &mount{t: t, dir: t.TempDir()}
	file := files.set("ca.crt", trustFirst)
	way := made(t, Credentials{CAFile: file})
	if got := ask(t, way, srv.URL); got != "good" {
		t.Fatal(got)
	}
	now.Store(&second)
	way.CloseIdleConnections()
	if got := ask(t, way, srv.URL); !strings.Contains(got, "certificate") {
		t.Errorf("a certificate that nobody vouches for: %s", got)
	}
	files.set("ca.crt", trustSecond)
	if got := ask(t, way, srv.URL); got != "good" {
		t.Errorf("after the file changed: %s", got)
	}
	files.set("ca.crt", "half a file")
	if got := ask(t, way, srv.URL); !strings.Contains(got, file) {
		t.Errorf("a file that is none: %s", got)
	}
	if got := ask(t, made(t, Credentials{}), srv.URL); !strings.Contains(got, "certificate") {
		t.Errorf("the system's certificates: %s", got)
	}
}
