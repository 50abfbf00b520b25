package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/clewhq/clew/internal/tenant"
)

func TestAuthenticate(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("pass:word"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	token := Config{Type: "token", Tokens: []Token{
		{Name: "a", Token: "s3cret", Tenants: []string{"shop", "bank"}},
		{Name: "any", File: file, Tenants: []string{"*"}},
		{Name: "plain", Token: "plain"},
	}}
	basic := Config{Type: "basic", Users: []User{{Name: "eve", PasswordHash: string(hash), Tenants: []string{"shop"}}}}
	asEve := "Basic " + base64.StdEncoding.EncodeToString([]byte("eve:pass:word"))

	for _, c := range []struct {
		name        string
		cfg         Config
		header, org string
		want        string
		wantErr     error
	}{
		{"off", Config{}, "", "", tenant.Anonymous, nil},
		{"off ignores the header", Config{Type: "none"}, "", "shop", tenant.Anonymous, nil},
		{"first tenant by default", token, "Bearer s3cret", "", "shop", nil},
		{"another of its tenants", token, "bearer s3cret", "bank", "bank", nil},
		{"a stranger's tenant", token, "Bearer s3cret", "other", "", ErrForbidden},
		{"any tenant", token, "Bearer from-file", "whoever", "whoever", nil},
		{"any tenant, bad name", token, "Bearer from-file", "../etc", "", ErrForbidden},
		{"any tenant, none asked", token, "Bearer from-file", "", tenant.Anonymous, nil},
		{"no tenants listed", token, "Bearer plain", "", tenant.Anonymous, nil},
		{"no tenants listed, one asked", token, "Bearer plain", "shop", "", ErrForbidden},
		{"wrong token", token, "Bearer nope", "", "", ErrUnauthenticated},
		{"no token", token, "", "", "", ErrUnauthenticated},
		{"wrong scheme", token, asEve, "", "", ErrUnauthenticated},
		{"password", basic, asEve, "", "shop", nil},
		{"wrong password", basic, "Basic " + base64.StdEncoding.EncodeToString([]byte("eve:x")), "", "", ErrUnauthenticated},
		{"not base64", basic, "Basic %%%", "", "", ErrUnauthenticated},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			a, err := New(c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			ctx, err := a.Authenticate(context.Background(), c.header, c.org)
			if !errors.Is(err, c.wantErr) {
				t.Fatalf("got error %v, want %v", err, c.wantErr)
			}
			if err == nil && tenant.From(ctx) != c.want {
				t.Errorf("got tenant %q, want %q", tenant.From(ctx), c.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Type: "token"}, "auth.tokens is empty"},
		{Config{Type: "basic"}, "auth.users is empty"},
		{Config{Type: "oidc"}, "not in this version"},
		{Config{Type: "tokn"}, "unknown"},
		{Config{Type: "token", Tokens: []Token{{Token: "a", File: "b"}}}, "one of token and file"},
		{Config{Type: "token", Tokens: []Token{{Token: "a", Tenants: []string{"a/b"}}}}, "tenant"},
		{Config{Type: "basic", Users: []User{{Name: "a", PasswordHash: "plain"}}}, "bcrypt"},
	} {
		if err := c.cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q in it", c.cfg, err, c.want)
		}
	}
}
