//go:build unix

package metrics

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// diskFree returns the bytes that an ordinary user may still write below dir.
func diskFree(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask for the room on the disk of %s: %w", dir, err)
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil //nolint:gosec // neither is negative
}
