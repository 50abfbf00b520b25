package traceql

import (
	"context"
	"strings"
	"testing"
	"time"

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

// TestKeptOverLocal: with the embedded store, too, a question that is asked
// again is answered from memory, and no longer once a span comes.
func TestKeptOverLocal(t *testing.T) {
	store := openLocal(t, t.TempDir())
	defer store.Close()
	all := rainOf(t, 200)
	fillLocal(t, store, all[:60])
	e := New(DefaultConfig(), store, nil, nil)
	ask := func() (string, PlanInfo) {
		res := askRange(t, e, "{ } | rate() by (name)", 0, 100*time.Second, time.Second, 0)
		return strings.Join(seriesAnswer(res), "\n"), res.Explain.Plans[0]
	}
	first, _ := ask()
	again, plan := ask()
	if again != first || plan.KnownSlices != plan.Slices || plan.Slices == 0 {
		t.Errorf("%+v, want all to be known, and the same answer", plan)
	}
	fillLocal(t, store, all[60:])
	if third, plan := ask(); plan.KnownSlices == plan.Slices || third == first {
		t.Errorf("%+v, want the new spans to be read", plan)
	}
}
