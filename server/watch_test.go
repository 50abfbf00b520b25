package server

import (
	"context"
	"testing"

	"github.com/clewhq/clew/storage"
)

// TestStoreProbe: a store that lost something, or refuses writes, is degraded,
// and says why.
func TestStoreProbe(t *testing.T) {
	for name, c := range map[string]struct {
		health storage.Health
		status string
		err    string
	}{
		"well":    {storage.Health{Writable: true}, "ok", ""},
		"damaged": {storage.Health{Writable: true, Damage: "a segment"}, "degraded", "a segment"},
		"full":    {storage.Health{Err: "no room", Damage: "a segment"}, "degraded", "no room"},
	} {
		d := storeProbe("records", func() storage.Health { return c.health })(context.Background())
		if d.Status != c.status || d.LastError != c.err || !d.Connected {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
