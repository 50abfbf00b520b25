// Package auth tells who is calling and which tenant's data they may touch. It
// wraps the HTTP and gRPC listeners; the rooms behind them only ever see a
// tenant's name in the context. It may import internal/tenant.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"

	"github.com/clewhq/clew/internal/tenant"
)

// Config is the `auth` section.
type Config struct {
	// Type is none, token or basic. Empty counts as none, but a listener on a
	// non-loopback address wants it written out.
	Type   string  `yaml:"type"`
	Tokens []Token `yaml:"tokens"` // bearer tokens, for type token
	Users  []User  `yaml:"users"`  // names and passwords, for type basic
}

// Token is a bearer token and the tenants it may act for.
type Token struct {
	Name    string   `yaml:"name"`    // for people: whose token it is
	Token   string   `yaml:"token"`   // the secret itself, or ${VAR}
	File    string   `yaml:"file"`    // a file that holds the secret, instead of token; read at start and at each reload
	Tenants []string `yaml:"tenants"` // tenants it may act for, the first by default; "*" is any, none means anonymous
}

// User is a name with a bcrypt hash, for HTTP basic authentication.
type User struct {
	Name         string   `yaml:"name"`          // the user's name
	PasswordHash string   `yaml:"password_hash"` // bcrypt, as htpasswd -B makes it
	Tenants      []string `yaml:"tenants"`       // see tokens
}

// Validate reports what is wrong with c.
func (c *Config) Validate() error {
	switch c.Type {
	case "", "none":
	case "token":
		if len(c.Tokens) == 0 {
			return errors.New("auth.type is token, but auth.tokens is empty; add {name, token or file, tenants}")
		}
	case "basic":
		if len(c.Users) == 0 {
			return errors.New("auth.type is basic, but auth.users is empty; add {name, password_hash, tenants}")
		}
	case "mtls", "oidc":
		return fmt.Errorf("auth.type %q is not in this version; use none, token or basic", c.Type)
	default:
		return fmt.Errorf("auth.type %q is unknown; use none, token or basic", c.Type)
	}
	for i, t := range c.Tokens {
		if (t.Token == "") == (t.File == "") {
			return fmt.Errorf("auth.tokens[%d]: set one of token and file", i)
		}
		if err := checkTenants(t.Tenants); err != nil {
			return fmt.Errorf("auth.tokens[%d]: %w", i, err)
		}
	}
	for i, u := range c.Users {
		if _, err := bcrypt.Cost([]byte(u.PasswordHash)); u.Name == "" || err != nil {
			return fmt.Errorf("auth.users[%d]: want a name and a bcrypt password_hash", i)
		}
		if err := checkTenants(u.Tenants); err != nil {
			return fmt.Errorf("auth.users[%d]: %w", i, err)
		}
	}
	return nil
}

func checkTenants(names []string) error {
	for _, name := range names {
		if name == "*" {
			continue
		}
		if err := tenant.Check(name); err != nil {
			return err
		}
	}
	return nil
}

// Errors of Authenticate. Both texts may be shown to the caller.
var (
	ErrUnauthenticated = errors.New("missing or wrong credentials")
	ErrForbidden       = errors.New("these credentials may not act for that tenant")
)

// Authenticator checks credentials, which Set changes. It is safe for
// concurrent use.
type Authenticator struct{ now atomic.Pointer[credentials] }

// credentials are immutable.
type credentials struct {
	kind   string
	tokens []tokenEntry
	users  map[string]User
}

type tokenEntry struct {
	sum     [sha256.Size]byte
	tenants []string
}

// New returns an Authenticator for a valid c; it reads the token files.
func New(c Config) (*Authenticator, error) {
	a := &Authenticator{}
	return a, a.Set(c)
}

// Set makes a valid c what holds from now on; it reads the token files. Where
// one cannot be read all stays as it was.
func (a *Authenticator) Set(c Config) error {
	now := &credentials{kind: c.Type, users: map[string]User{}}
	for _, t := range c.Tokens {
		secret := t.Token
		if t.File != "" {
			b, err := os.ReadFile(t.File)
			if err != nil {
				return fmt.Errorf("read the token of auth.tokens %q: %w", t.Name, err)
			}
			secret = strings.TrimSpace(string(b))
		}
		now.tokens = append(now.tokens, tokenEntry{sha256.Sum256([]byte(secret)), t.Tenants})
	}
	for _, u := range c.Users {
		now.users[u.Name] = u
	}
	a.now.Store(now)
	return nil
}

// Authenticate returns ctx with the tenant that a caller acts for. authorization
// is the header of that name, wanted the X-Scope-OrgID header; both may be "".
// Where authentication is off the tenant is always tenant.Anonymous.
func (a *Authenticator) Authenticate(ctx context.Context, authorization, wanted string) (context.Context, error) {
	var allowed []string
	var ok bool
	now := a.now.Load()
	switch now.kind {
	case "", "none":
		return tenant.With(ctx, tenant.Anonymous), nil
	case "token":
		allowed, ok = now.byToken(authorization)
	case "basic":
		allowed, ok = now.byPassword(authorization)
	}
	if !ok {
		return nil, ErrUnauthenticated
	}
	name, err := choose(allowed, wanted)
	if err != nil {
		return nil, err
	}
	return tenant.With(ctx, name), nil
}

func choose(allowed []string, wanted string) (string, error) {
	switch {
	case wanted == "" && (len(allowed) == 0 || allowed[0] == "*"):
		return tenant.Anonymous, nil
	case wanted == "":
		return allowed[0], nil
	case slices.Contains(allowed, wanted), slices.Contains(allowed, "*") && tenant.Check(wanted) == nil,
		len(allowed) == 0 && wanted == tenant.Anonymous:
		return wanted, nil
	}
	return "", ErrForbidden
}

func (c *credentials) byToken(authorization string) ([]string, bool) {
	secret, ok := cutScheme(authorization, "bearer")
	if !ok {
		return nil, false
	}
	sum := sha256.Sum256([]byte(secret))
	found := -1 // look at every token, so that time tells nothing
	for i := range c.tokens {
		if subtle.ConstantTimeCompare(sum[:], c.tokens[i].sum[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return nil, false
	}
	return c.tokens[found].tenants, true
}

func (c *credentials) byPassword(authorization string) ([]string, bool) {
	encoded, ok := cutScheme(authorization, "basic")
	if !ok {
		return nil, false
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, false
	}
	name, password, _ := strings.Cut(string(raw), ":")
	u, ok := c.users[name]
	if !ok || bcrypt.CompareHashAndPassword([]byte(u.PasswordHash), []byte(password)) != nil {
		return nil, false
	}
	return u.Tenants, true
}

func cutScheme(authorization, scheme string) (string, bool) {
	got, rest, ok := strings.Cut(authorization, " ")
	return strings.TrimSpace(rest), ok && strings.EqualFold(got, scheme)
}

// Challenge is the WWW-Authenticate header for a 401.
func (a *Authenticator) Challenge() string {
	if a.now.Load().kind == "basic" {
		return `Basic realm="clew"`
	}
	return "Bearer"
}
