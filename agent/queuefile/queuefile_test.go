package queuefile

import (
	"context"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens the storage of a queue in dir. Closing it without more is what a
// kill leaves behind: every batch is a transaction.
func open(t *testing.T, dir string) storage.Client {
	t.Helper()
	ctx, f := context.Background(), NewFactory()
	cfg := f.CreateDefaultConfig().(*filestorage.Config)
	cfg.Directory, cfg.CreateDirectory = dir, true
	ext, err := f.Create(ctx, extensiontest.NewNopSettings(f.Type()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := ext.Start(ctx, componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	c, err := ext.(storage.Extension).GetClient(ctx, component.KindExporter, component.MustNewID("otlp_http"), "logs")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func do(t *testing.T, c storage.Client, ops ...*storage.Operation) {
	t.Helper()
	if err := c.Batch(context.Background(), ops...); err != nil {
		t.Fatal(err)
	}
}

func set(key string) *storage.Operation { return storage.SetOperation(key, []byte("v")) }

// has reports which of the keys stand in the storage of dir.
func has(t *testing.T, c storage.Client, keys ...string) string {
	t.Helper()
	var out string
	for _, key := range keys {
		v, err := c.Get(context.Background(), key)
		if err != nil {
			t.Fatal(err)
		}
		if v != nil {
			out += key
		}
	}
	return out
}

// TestStart walks through the start of a queue with two requests, 0 and 1,
// that were being sent, and is killed after each step.
func TestStart(t *testing.T) {
	del := storage.DeleteOperation
	start := [][]*storage.Operation{
		{storage.GetOperation("0"), storage.GetOperation("1")},
		{del("0"), del("1")},
		{set("m"), set("2")}, // 0 again
		{set("m"), set("3")}, // 1 again
		{set("m"), storage.GetOperation("2")},
	}
	for steps, want := range []string{"01", "01", "01", "012", "0123", "23"} {
		dir := t.TempDir()
		c := open(t, dir)
		do(t, c, set("0"), set("1"))
		if err := c.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		c = open(t, dir)
		for _, ops := range start[:steps] {
			do(t, c, ops...)
		}
		if err := c.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		c = open(t, dir)
		if got := has(t, c, "0", "1", "2", "3"); got != want {
			t.Errorf("killed after step %d there are %q, want %q", steps, got, want)
		}
		if err := c.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAtWorkNothingIsHeld(t *testing.T) {
	c := open(t, t.TempDir())
	do(t, c, set("m"), set("0"))
	do(t, c, set("m"), storage.GetOperation("0"))
	do(t, c, storage.DeleteOperation("0"))
	if got := has(t, c, "m", "0"); got != "m" {
		t.Errorf("there are %q, want m alone", got)
	}
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestReadsAreAnswered(t *testing.T) {
	c := open(t, t.TempDir())
	do(t, c, set("0"), set("1"))
	do(t, c, storage.DeleteOperation("1"))
	get := storage.GetOperation("0")
	do(t, c, set("m"), get)
	if string(get.Value) != "v" || has(t, c, "1") != "" {
		t.Errorf("0 is %q, and of 1 there is %q", get.Value, has(t, c, "1"))
	}
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
