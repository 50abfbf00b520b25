package local

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/storagetest"
)

// TestOtherVersionsAreRefused: a store does not start on files that another
// version wrote, says which file and which versions, and leaves everything as
// it is.
func TestOtherVersionsAreRefused(t *testing.T) {
	reframed := func(b []byte) []byte { // the header of a framed file, of version 9
		binary.LittleEndian.PutUint32(b[4:], 9)
		binary.LittleEndian.PutUint32(b[40:], framing.Checksum(b[:40]))
		return b
	}
	record := func(at int) func([]byte) []byte { // the first record, with another byte at this place
		return func(b []byte) []byte {
			h, err := framing.ParseHeader(b, [4]byte(b[:4]))
			if err != nil {
				t.Fatal(err)
			}
			n := binary.LittleEndian.Uint32(b[framing.HeaderSize+4:])
			payload := b[framing.HeaderSize+framing.RecordHeaderSize:][:n]
			payload[at] = 9
			copy(b[framing.HeaderSize:], framing.AppendRecord(nil, h.Salt, framing.HeaderSize, payload))
			return b
		}
	}
	for name, c := range map[string]struct {
		where string
		spoil func([]byte) []byte
	}{
		"manifest's file":   {"/data/manifest", reframed},
		"manifest's edit":   {"/data/manifest", record(1)},
		"log's file":        {"/data/wal", reframed},
		"log's record":      {"/data/wal", record(1)},
		"segment of logs":   {"/data/segments/tenant-a/logs", segmentOf9},
		"segment of traces": {"/data/segments/tenant-a/traces", segmentOf9},
	} {
		t.Run(name, func(t *testing.T) {
			fs, cfg := vfs.NewMem(), testConfig()
			s := mustOpen(t, fs, cfg)
			g := storagetest.NewGen(1)
			storagetest.WriteLogs(t, s, "tenant-a", g.Logs(60))
			storagetest.WriteSpans(t, s, "tenant-a", g.Spans(60))
			mustFlush(t, s)
			storagetest.WriteLogs(t, s, "tenant-a", g.Logs(10))
			mustClose(t, s)
			list := files(t, fs, c.where)
			path := list[len(list)-1]
			writeFile(t, fs, path, c.spoil(readFile(t, fs, path)))
			before := files(t, fs, "/data")
			_, err := Open(cfg, Deps{FS: fs})
			if !errors.Is(err, framing.ErrVersion) || !strings.Contains(err.Error(), "version 9") || !strings.Contains(err.Error(), fs.PathBase(path)) {
				t.Fatalf("open: %v, want one that names %s and version 9", err, path)
			}
			after := files(t, fs, "/data")
			slices.Sort(before)
			slices.Sort(after)
			if !slices.Equal(after, before) {
				t.Errorf("files %v, before %v", after, before)
			}
			if report, err := Check(cfg.Dir, fs); err == nil && report.OK() {
				t.Error("the check finds nothing")
			}
		})
	}
}

func segmentOf9(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[8:], 9)
	binary.LittleEndian.PutUint32(b[len(b)-12:], 9)
	return b
}
