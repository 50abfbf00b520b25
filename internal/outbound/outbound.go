// Package outbound says to a service that is called who calls, and checks that
// it is the one that is meant: with credentials that may change while requests
// are under way.
package outbound

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	promconfig "github.com/prometheus/common/config"
)

// Credentials are what the service asks for. Files are looked at with each
// request, so that what is put in their place holds at once.
type Credentials struct {
	Username, Password, PasswordFile string
	// Scheme and Token, if they are set, are the Authorization header in place of
	// user and password. The token's file holds it without the scheme.
	Scheme, Token, TokenFile string
	// CAFile holds the certificates that the service's is checked with, in PEM; ""
	// means the system's.
	CAFile string
}

// Transport carries requests with the credentials that hold now. It is safe for
// concurrent use.
type Transport struct {
	base http.RoundTripper
	way  atomic.Pointer[way]
}

// way is the way with certain credentials.
type way struct {
	Credentials
	secret promconfig.SecretReader
	next   http.RoundTripper
}

// New returns a Transport over base, which then sees to certificates itself, or
// over connections of its own where base is nil.
func New(c Credentials, base http.RoundTripper) (*Transport, error) {
	t := &Transport{base: base}
	use, err := t.Prepare(c)
	if err != nil {
		return nil, err
	}
	use()
	return t, nil
}

// Prepare reads the files of other credentials. Once use is called they hold for
// every request that begins.
func (t *Transport) Prepare(c Credentials) (use func(), err error) {
	w := &way{Credentials: c, next: t.base}
	switch {
	case c.TokenFile != "":
		w.secret = promconfig.NewFileSecret(c.TokenFile)
	case c.Scheme+c.Token != "":
		w.secret = promconfig.NewInlineSecret(c.Token)
	case c.PasswordFile != "":
		w.secret = promconfig.NewFileSecret(c.PasswordFile)
	case c.Username != "":
		w.secret = promconfig.NewInlineSecret(c.Password)
	}
	if w.secret != nil {
		if _, err := w.fetch(context.Background()); err != nil {
			return nil, err
		}
	}
	if w.next == nil {
		if w.next, err = overTLS(c.CAFile); err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
	}
	return func() {
		if before := t.way.Swap(w); before != nil && t.base == nil {
			closeIdle(before.next)
		}
	}, nil
}

// idleConnections to each address are kept for the next request.
const idleConnections = 32

// overTLS is a transport that trusts what is in the file at the time.
func overTLS(file string) (http.RoundTripper, error) {
	plain := func(c *tls.Config) (http.RoundTripper, error) {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost, t.TLSClientConfig = idleConnections, c
		return t, nil
	}
	if file == "" {
		return plain(nil)
	}
	c, err := promconfig.NewTLSConfig(&promconfig.TLSConfig{CAFile: file})
	if err != nil {
		return nil, err
	}
	return promconfig.NewTLSRoundTripper(c, promconfig.TLSRoundTripperSettings{CA: promconfig.NewFileSecret(file)}, plain)
}

// RoundTrip implements http.RoundTripper. Credentials that stand in the request,
// as a header or in its address, go before.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := t.way.Load()
	if r.Header.Get("Authorization") != "" {
		return w.next.RoundTrip(r)
	}
	switch u := r.URL.User; {
	case u != nil:
		r = r.Clone(r.Context())
		password, _ := u.Password()
		r.SetBasicAuth(u.Username(), password)
	case w.secret != nil:
		secret, err := w.fetch(r.Context())
		if err != nil {
			if r.Body != nil {
				_ = r.Body.Close()
			}
			return nil, err
		}
		r = r.Clone(r.Context())
		if w.Scheme+w.Token+w.TokenFile == "" {
			r.SetBasicAuth(w.Username, secret)
		} else {
			r.Header.Set("Authorization", strings.TrimSpace(w.Scheme+" "+secret))
		}
	}
	return w.next.RoundTrip(r)
}

// fetch reads the secret.
func (w *way) fetch(ctx context.Context) (string, error) {
	secret, err := w.secret.Fetch(ctx)
	if err == nil && secret == "" && !w.secret.Immutable() {
		err = fmt.Errorf("%s is empty", w.secret.Description())
	}
	if err != nil {
		return "", fmt.Errorf("the credentials: %w", err)
	}
	return secret, nil
}

// CloseIdleConnections gives back what no request uses.
func (t *Transport) CloseIdleConnections() {
	if t.base == nil {
		closeIdle(t.way.Load().next)
	}
}

func closeIdle(t http.RoundTripper) {
	if t, ok := t.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Redact hides a password that stands in an address.
func Redact(address string) string {
	u, err := url.Parse(address)
	switch {
	case err == nil:
		return u.Redacted()
	case strings.Contains(address, "@"):
		return "an address that is no URL"
	}
	return address
}
