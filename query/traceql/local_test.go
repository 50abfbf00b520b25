package traceql

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openLocal opens the embedded store in a directory. The caller closes it.
func openLocal(t *testing.T, dir string) *local.Store {
	t.Helper()
	cfg := local.DefaultConfig()
	cfg.Dir = dir
	store, err := local.Open(cfg, local.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// fillLocal writes spans to the embedded store, by way of the wire, in two
// requests whose traces overlap.
func fillLocal(t *testing.T, store storage.Store, spans []telemetry.Span) {
	t.Helper()
	var halves [2][]telemetry.Span
	for i := range spans {
		halves[i%2] = append(halves[i%2], spans[i])
	}
	for _, half := range halves {
		batch, err := otlp.DecodeSpans(otlp.AppendSpans(nil, half))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.WriteSpans(context.Background(), "t", batch); err != nil {
			t.Fatal(err)
		}
	}
}
