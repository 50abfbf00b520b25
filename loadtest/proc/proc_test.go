package proc

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFindProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	p, err := Find("/proc", address)
	if err != nil {
		t.Fatal(err)
	}
	if p.PID != os.Getpid() {
		t.Errorf("found process %d, want this one, %d", p.PID, os.Getpid())
	}
	if now, peak, err := p.Memory(); err != nil || now <= 0 || peak < now/2 {
		t.Errorf("memory is %d, at most %d, %v", now, peak, err)
	}
	if _, err := p.CPU(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Find("/proc", address); err == nil || !strings.Contains(err.Error(), "--pid") {
		t.Errorf("Find with no listener = %v, want an error that names --pid", err)
	}
	if _, err := Find("/proc", "http://127.0.0.1"); err == nil || !strings.Contains(err.Error(), "no port") {
		t.Errorf("Find without a port = %v", err)
	}
}

func TestProcessFiles(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(root, "7"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "7", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := Process{root, 7}
	write("stat", "7 (a (very) odd) name) S 1 7 7 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 1")
	if cpu, err := p.CPU(); err != nil || cpu != 1750*time.Millisecond {
		t.Errorf("cpu = %s, %v; want 1.75s", cpu, err)
	}
	write("stat", "7 (a) S 1 7")
	if _, err := p.CPU(); err == nil {
		t.Error("a short stat is no error")
	}
	write("status", "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n")
	if now, peak, err := p.Memory(); err != nil || now != 1<<20 || peak != 2<<20 {
		t.Errorf("memory = %d, %d, %v; want 1 MiB and 2 MiB", now, peak, err)
	}
	write("status", "Name:\ta\n")
	if _, _, err := p.Memory(); err == nil {
		t.Error("a status without memory is no error")
	}
}

func TestDiskBytes(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"x": 10, "a/y": 20, "a/b/z": 30} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := DiskBytes([]string{dir, filepath.Join(dir, "gone")}); err != nil || n != 60 {
		t.Errorf("DiskBytes = %d, %v; want 60", n, err)
	}
}
