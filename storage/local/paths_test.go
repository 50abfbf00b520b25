package local

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A day's directory stays while somebody writes there, whoever takes the last
// file out of it, and goes where nothing came of it.
func TestDirectoryStaysWhileWritten(t *testing.T) {
	fs := vfs.NewMem()
	p := newPaths(fs, "/data")
	there := func() bool { _, err := fs.Stat("/data/day"); return err == nil }
	failed := errors.New("failed")
	err := p.write("/data/day", func() error {
		if err := p.write("/data/day", func() error { return failed }); !errors.Is(err, failed) {
			t.Errorf("the other writer: %v", err)
		}
		p.forget("/data/day")
		if !there() {
			t.Error("the directory went under its writer")
		}
		return failed
	})
	if !errors.Is(err, failed) || there() {
		t.Errorf("%v; the empty directory stays: %v", err, there())
	}
	if err := p.write("/data/day", func() error { return nil }); err != nil || !there() {
		t.Errorf("again: %v, there: %v", err, there())
	}
	p.forget("/data/day")
	if there() {
		t.Error("an empty directory stays")
	}
}
