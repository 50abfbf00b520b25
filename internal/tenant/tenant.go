// Package tenant carries the name of who owns the data of a request through
// its context. The listeners put it there after authentication; every room
// reads it. It imports nothing of clew.
package tenant

import (
	"context"
	"fmt"
	"regexp"
)

// Header names the tenant in HTTP requests and, in lower case, in gRPC metadata.
const Header = "X-Scope-OrgID"

// Anonymous owns everything where authentication is off.
const Anonymous = "anonymous"

type key struct{}

// With returns ctx with the tenant name.
func With(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, key{}, name)
}

// From returns the tenant of ctx, Anonymous where there is none.
func From(ctx context.Context) string {
	if name, ok := ctx.Value(key{}).(string); ok {
		return name
	}
	return Anonymous
}

// A name becomes part of paths and of index names, so it is kept to what is
// safe in both.
var valid = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{0,127}$`)

// Check returns an error where name cannot be a tenant's.
func Check(name string) error {
	if !valid.MatchString(name) {
		return fmt.Errorf("tenant %q: want 1 to 128 letters, digits, '-' or '_', starting with a letter or digit", name)
	}
	return nil
}
