package correlation

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// benchDir names a folder with *.log files of real lines to measure on, beside
// those of this package: CLEW_BENCH_LOGS=~/logs go test -bench Hashes ./correlation
const benchDir = "CLEW_BENCH_LOGS"

// benchFiles are the texts to measure on, by name.
func benchFiles(b *testing.B) map[string][]byte {
	out := map[string][]byte{}
	files := []string{"testdata/lines.log"}
	if dir := os.Getenv(benchDir); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "*.log"))
		if err != nil || len(more) == 0 {
			b.Fatalf("%s=%s holds no *.log: %v", benchDir, dir, err)
		}
		files = append(files, more...)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(name), ".log")] = text
	}
	return out
}

// benchLogs makes a record of each line, of a stream as a node's agent names it.
func benchLogs(text []byte) []telemetry.Log {
	stream := telemetry.NewStream(telemetry.Resource{Attrs: telemetry.Attrs{
		str("service.name", "checkout"), str("k8s.pod.name", "checkout-7d9f8b6c5d-x2x4z"), str("k8s.pod.uid", traceHex), str("host.name", "node-3"),
	}}, telemetry.Scope{})
	var logs []telemetry.Log
	for line := range bytes.Lines(text) {
		logs = append(logs, telemetry.Log{Stream: stream, Body: telemetry.String(strings.TrimRight(string(line), "\r\n")), Attrs: telemetry.Attrs{str("log.file.path", "/var/log/app.log")}})
	}
	return logs
}

// perCore runs f over and over and tells how much text a core goes through in a
// second, by the time that the process had a core: others may be at work on the
// machine.
func perCore(b *testing.B, size int, f func()) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		f()
	}
	if used := cpuTime(b) - before; used > 0 {
		b.ReportMetric(float64(size)*float64(b.N)/1e6/used.Seconds(), "MB/cpu-s")
	}
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkAppendLogHashes(b *testing.B) {
	for name, text := range benchFiles(b) {
		logs := benchLogs(text)
		b.Run(name, func(b *testing.B) {
			var dst []uint64
			perCore(b, len(text), func() {
				for i := range logs {
					dst = AppendLogHashes(dst[:0], &logs[i])
				}
			})
		})
	}
}

func BenchmarkAppendLog(b *testing.B) {
	for name, text := range benchFiles(b) {
		logs := benchLogs(text)
		b.Run(name, func(b *testing.B) {
			var dst []ID
			perCore(b, len(text), func() {
				for i := range logs {
					dst = AppendLog(dst[:0], &logs[i])
				}
			})
		})
	}
}

func BenchmarkFindContext(b *testing.B) {
	for name, text := range benchFiles(b) {
		logs := benchLogs(text)
		b.Run(name, func(b *testing.B) {
			perCore(b, len(text), func() {
				for i := range logs {
					FindContext(&logs[i])
				}
			})
		})
	}
}
