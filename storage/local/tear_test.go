package local

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// powerCut returns what a file system may hold after the power went: all that
// was synced; of the rest any 4 KiB blocks and directory entries, whatever the
// order in which they were written; and what was written behind the synced end
// of a file may be cut at any byte, or be rubbish from there on.
func powerCut(t testing.TB, fs *vfs.MemFS, percent int, r *rand.Rand) *vfs.MemFS {
	synced := fs.CrashClone(vfs.CrashCloneCfg{})
	torn := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: r})
	if _, err := torn.Stat("/data"); err != nil {
		return torn
	}
	for _, path := range files(t, torn, "/data") {
		if _, err := synced.Stat(path); err != nil {
			continue // its content may have been synced, and its name not
		}
		old, b := readFile(t, synced, path), readFile(t, torn, path)
		if !bytes.HasPrefix(b, old) {
			continue // another file has been renamed to it, which was synced before
		}
		safe := len(old)
		if len(b) <= safe || r.IntN(2) == 0 {
			continue
		}
		cut := safe + r.IntN(len(b)-safe)
		if r.IntN(2) == 0 {
			b = b[:cut]
		} else {
			for i := cut; i < len(b); i++ {
				b[i] = byte(r.Uint32())
			}
		}
		writeFile(t, torn, path, b)
	}
	return torn
}
