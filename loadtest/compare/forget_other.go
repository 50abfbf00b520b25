//go:build !linux

package compare

import (
	"errors"
	"os"
)

// forgetFile drops the file's pages from memory.
func forgetFile(*os.File) error {
	return errors.New("only Linux drops the pages of a file when it is asked to: leave --cold out")
}
