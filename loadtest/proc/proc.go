// Package proc measures a process from outside, as the kernel sees it. It
// imports nothing of clew.
package proc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU time in /proc on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// Root is where the kernel tells about processes.
const Root = "/proc"

// Process is a process of this machine.
type Process struct {
	Root string // Root, or a copy of it
	PID  int
}

// CPU is the time that all its threads have used so far.
func (p Process) CPU() (time.Duration, error) {
	text, err := os.ReadFile(p.file("stat"))
	if err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	// The second field is the program's name in brackets, which may hold
	// anything; utime and stime are the 12th and 13th after it.
	end := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	const utime, stime = 11, 12
	if end < 0 || len(fields) <= stime {
		return 0, fmt.Errorf("read CPU time: %s has %d fields after the name, want at least %d", p.file("stat"), len(fields), stime+1)
	}
	ticks := int64(0)
	for _, f := range []string{fields[utime], fields[stime]} {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// Memory is the resident memory in bytes: now, and at its highest.
func (p Process) Memory() (now, peak int64, err error) {
	text, err := os.ReadFile(p.file("status"))
	if err != nil {
		return 0, 0, fmt.Errorf("read memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		var into *int64
		switch key {
		case "VmHWM":
			into = &peak
		case "VmRSS":
			into = &now
		default:
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read memory: %w", err)
		}
		*into = kib << 10
	}
	if peak == 0 {
		return 0, 0, fmt.Errorf("read memory: no VmHWM in %s", p.file("status"))
	}
	return now, peak, nil
}

// ForgetPeak makes the highest memory begin anew. It needs the rights of the
// process's owner; without them the peak goes on from what it was.
func (p Process) ForgetPeak() error {
	const peakOnly = "5"
	return os.WriteFile(p.file("clear_refs"), []byte(peakOnly), 0)
}

func (p Process) file(name string) string {
	return filepath.Join(p.Root, strconv.Itoa(p.PID), name)
}

// Find finds who listens on the port of address.
func Find(root, address string) (Process, error) {
	u, err := url.Parse(address)
	if err != nil {
		return Process{}, fmt.Errorf("find process: %w", err)
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return Process{}, fmt.Errorf("find process that listens at %s: no port in that address", address)
	}
	sockets, err := listening(root, uint16(port))
	if err != nil {
		return Process{}, fmt.Errorf("find process that listens at %s: %w", address, err)
	}
	pids, err := filepath.Glob(filepath.Join(root, "[0-9]*"))
	if err != nil {
		return Process{}, fmt.Errorf("find process that listens at %s: %w", address, err)
	}
	for _, dir := range pids {
		fds, _ := os.ReadDir(filepath.Join(dir, "fd")) // others' cannot be read
		for _, fd := range fds {
			if to, err := os.Readlink(filepath.Join(dir, "fd", fd.Name())); err == nil && sockets[to] {
				pid, err := strconv.Atoi(filepath.Base(dir))
				return Process{root, pid}, err
			}
		}
	}
	return Process{}, fmt.Errorf("find process that listens at %s: none that can be seen: give --pid", address)
}

// listening returns the sockets that listen on a port, as links to them read.
func listening(root string, port uint16) (map[string]bool, error) {
	const listen = "0A"
	suffix := fmt.Sprintf(":%04X", port)
	out := map[string]bool{}
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open(filepath.Join(root, "net", table))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			const local, state, inode = 1, 3, 9
			if len(fields) > inode && fields[state] == listen && strings.HasSuffix(fields[local], suffix) {
				out["socket:["+fields[inode]+"]"] = true
			}
		}
		_ = f.Close()
	}
	return out, nil
}

// DiskBytes adds up the files under some directories. Files that vanish
// meanwhile do not count.
func DiskBytes(dirs []string) (int64, error) {
	total := int64(0)
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				var info fs.FileInfo
				if info, err = d.Info(); err == nil {
					total += info.Size()
				}
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("add up bytes on disk: %w", err)
		}
	}
	return total, nil
}
