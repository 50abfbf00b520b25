package local

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
)

// TestDamageInHealth: what cannot be read is told of as long as the store runs,
// and logged once, however often it is asked for.
func TestDamageInHealth(t *testing.T) {
	fs, cfg := vfs.NewMem(), testConfig()
	s := mustOpen(t, fs, cfg)
	storagetest.WriteLogs(t, s, tenantA, storagetest.NewGen(1).Logs(20))
	mustFlush(t, s)
	if h := s.Health(); h.Damage != "" {
		t.Errorf("a whole store tells of damage: %s", h.Damage)
	}
	path := s.logs.segments[tenantA][0].path
	mustClose(t, s)
	b := readFile(t, fs, path)
	b[len(b)/2] ^= 1
	b[len(b)-1] ^= 1
	writeFile(t, fs, path, b)

	var log bytes.Buffer
	s, err := Open(cfg, Deps{FS: fs, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		var stats storage.ReadStats
		partial(t, s, &stats)
		if len(stats.Warnings) != 1 {
			t.Errorf("warnings %q", stats.Warnings)
		}
	}
	if h := s.Health(); !h.Writable || !strings.Contains(h.Damage, path) || !strings.Contains(h.Damage, "clew check") {
		t.Errorf("health: %+v", h)
	}
	if n := strings.Count(log.String(), "damaged data skipped"); n != 1 {
		t.Errorf("logged %d times: %s", n, &log)
	}
	for i := range 2 * maxDamages {
		s.damaged(fileSegment, errors.New(fmt.Sprint("another ", i)))
	}
	if h := s.Health(); !strings.Contains(h.Damage, fmt.Sprint(maxDamages, " damaged parts")) || !strings.Contains(h.Damage, path) {
		t.Errorf("health of much damage: %s", h.Damage)
	}
	mustClose(t, s)
}

// TestMisplacedSegments: a segment in the place of another day or tenant is not
// the one that is missed; it is named and left where it is.
func TestMisplacedSegments(t *testing.T) {
	fs, cfg := vfs.NewMem(), testConfig()
	s := mustOpen(t, fs, cfg)
	storagetest.WriteLogs(t, s, tenantA, storagetest.NewGen(1).Logs(20))
	mustFlush(t, s)
	path := s.logs.segments[tenantA][0].path
	mustClose(t, s)
	elsewhere := strings.Replace(path, "/"+tenantA+"/", "/somebody/", 1)
	if err := errors.Join(fs.MkdirAll(fs.PathDir(elsewhere), dirMode), fs.Rename(path, elsewhere)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, err := Check(cfg.Dir, fs)
		if err != nil || len(r.Problems) != 1 || r.Problems[0].File != path || !strings.Contains(fmt.Sprint(r.Notes), elsewhere) {
			t.Errorf("check: %v, %v, %v", err, r.Problems, r.Notes)
		}
		s = mustOpen(t, fs, cfg)
		if h := s.Health(); !strings.Contains(h.Damage, path+": file missing") {
			t.Errorf("health after the start: %+v", h)
		}
		mustClose(t, s)
	}
}
