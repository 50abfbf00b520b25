package object

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Deps is what object storage needs from outside.
type Deps struct {
	FS      vfs.FS
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *Metrics
}

// New returns what cfg, which must be valid and on, describes. It asks nothing
// yet.
func New(cfg Config, d Deps) (*Guarded, error) {
	switch cfg.Kind {
	case KindDirectory:
		return newGuarded(newDirectory(d.FS, cfg.Directory), cfg, d), nil
	case KindS3:
		b, err := newS3(d.FS, cfg.S3, cfg.Requests)
		if err != nil {
			return nil, err
		}
		return newGuarded(b, cfg, d), nil
	}
	return nil, fmt.Errorf("kind: %q is no object storage", cfg.Kind)
}

func newBytes(b []byte) io.ReaderAt { return bytes.NewReader(b) }
