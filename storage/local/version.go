package local

import (
	"errors"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/manifest"
	"github.com/clewhq/clew/storage/local/segment"
	"github.com/clewhq/clew/telemetry"
)

// checkVersion refuses a directory whose segments another version of the
// program wrote: each query would miss them, and say so, and no merge would
// touch them. It looks at the oldest and the newest one, so that a start stays
// quick.
func (s *Store) checkVersion(state manifest.State) error {
	var oldest, newest *manifest.Segment
	for _, meta := range state.Segments {
		if meta.Object != "" {
			continue
		}
		if oldest == nil || meta.ID < oldest.ID {
			oldest = &meta
		}
		if newest == nil || meta.ID > newest.ID {
			newest = &meta
		}
	}
	for _, meta := range []*manifest.Segment{oldest, newest} {
		if meta == nil {
			continue
		}
		var err error
		if meta.Signal == telemetry.Logs {
			_, err = inspect(s, found{path: s.paths.segment(meta)}, segment.Logs)
		} else {
			_, err = inspect(s, found{path: s.paths.segment(meta)}, segment.Spans)
		}
		if errors.Is(err, framing.ErrVersion) {
			return err
		}
	}
	return nil
}
