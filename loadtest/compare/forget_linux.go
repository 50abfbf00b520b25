package compare

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// forgetFile drops the file's pages from memory. Those that are not on the disk
// yet are written first: the kernel does not drop them.
func forgetFile(f *os.File) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return fmt.Errorf("drop the pages of %s: %w", f.Name(), err)
	}
	return nil
}
