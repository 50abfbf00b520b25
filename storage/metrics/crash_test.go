package metrics

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// The environment of the child processes of the tests below.
const (
	childEnv = "CLEW_METRICS_TEST_CHILD"
	dirEnv   = "CLEW_METRICS_TEST_DIR"
)

const crashWriters = 4

// die ends a child, which has no testing.T.
func die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// writeUntilKilled commits from several goroutines, in order and out of order,
// and prints a line for every acknowledgement.
func writeUntilKilled() {
	cfg := testConfig(os.Getenv(dirEnv))
	cfg.WALSegmentBytes = 4 * walPage // so that segments end under the test
	s, err := Open(cfg, Deps{})
	die(err)
	tm, err := s.Tenant("x")
	die(err)
	var mu sync.Mutex
	start := time.Now().Add(-2 * time.Hour)
	for w := range crashWriters {
		go func() {
			for i := 0; ; i++ {
				at := start.Add(time.Duration(i) * 10 * time.Millisecond)
				if i%5 == 4 { // late
					at = at.Add(-time.Hour)
				}
				name := fmt.Sprintf("m_%d_%d", w, i%50)
				app := tm.Appender(context.Background())
				ls := labels.FromStrings(model.MetricNameLabel, name, "padding", strings.Repeat("p", 200))
				_, err := app.Append(0, ls, at.UnixMilli(), float64(i))
				die(err)
				_, err = app.UpdateMetadata(0, ls, metadata.Metadata{Type: "gauge", Help: "Metric " + name + "."})
				die(err)
				die(app.Commit())
				mu.Lock()
				fmt.Println(name, at.UnixMilli(), i)
				mu.Unlock()
			}
		}()
	}
	select {}
}

func child(t *testing.T, kind, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+kind, dirEnv+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestKillLosesNothingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]bool{}
	for round := range 3 {
		for _, line := range runAndKill(t, dir, 300+round*200) {
			acked[line] = true
		}
	}
	s := openTest(t, testConfig(dir), Deps{})
	tm := tenantOf(t, s, "x")
	stored := map[string]bool{}
	for _, line := range samples(t, tm) {
		name := line[strings.Index(line, `__name__="`)+len(`__name__="`):]
		name = name[:strings.Index(name, `"`)]
		at, value, _ := strings.Cut(line[strings.LastIndex(line, "@")+1:], "=")
		stored[name+" "+at+" "+value] = true
	}
	md := tm.Metadata("")
	lost := 0
	for line := range acked {
		if !stored[line] {
			lost++
			t.Logf("lost: %s", line)
		}
		if name, _, _ := strings.Cut(line, " "); md[name].Help != "Metric "+name+"." {
			t.Errorf("metadata of %s: %+v", name, md[name])
		}
	}
	if lost > 0 || len(acked) < 1500 {
		t.Errorf("%d of %d acknowledged samples are lost", lost, len(acked))
	}
}

// runAndKill starts a writer, kills it after so many acknowledgements and
// returns all that it printed.
func runAndKill(t *testing.T, dir string, after int) []string {
	t.Helper()
	cmd := child(t, "writer", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil { // what the kill cut off is no acknowledgement
			break
		}
		lines = append(lines, strings.TrimSpace(line))
		if len(lines) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if len(lines) < after {
		t.Fatalf("the writer ended after %d acknowledgements, before it was killed", len(lines))
	}
	return lines
}

// tearAndHeal lets the write-ahead log hit a limit in the middle of a record,
// as a full disk would, writes on when there is room again, and prints what
// was acknowledged.
func tearAndHeal() {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := Open(testConfig(os.Getenv(dirEnv)), Deps{})
	die(err)
	tm, err := s.Tenant("x")
	die(err)
	var limit syscall.Rlimit
	die(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	small := limit
	small.Cur = 100_000
	die(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small))

	start := time.Now().Add(-time.Hour)
	refused := 0
	for i := 0; i < 2000; i++ {
		ls := labels.FromStrings(model.MetricNameLabel, "m", "i", strconv.Itoa(i), "padding", strings.Repeat(strconv.Itoa(i), 50))
		at := start.Add(time.Duration(i) * time.Millisecond)
		if i%3 == 2 { // late: a series of its own would be in order
			ls, at = labels.FromStrings(model.MetricNameLabel, "late"), at.Add(-time.Duration(i)*time.Second)
		}
		err := put(tm, ls, at, float64(i))
		if err == nil {
			fmt.Println(i)
			continue
		}
		if refused++; refused == 10 {
			if s.Health().Writable {
				die(fmt.Errorf("writes are refused, but the store says it is writable"))
			}
			die(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
			tm.(*Tenant).mu.Lock()
			tm.(*Tenant).retry = time.Time{} // the pause is over
			tm.(*Tenant).mu.Unlock()
		}
	}
	if refused != 10 {
		die(fmt.Errorf("want 10 commits refused before there was room and none after, got %d", refused))
	}
	die(syscall.Kill(os.Getpid(), syscall.SIGKILL))
}

func TestTornRecordHidesNothingBehindIt(t *testing.T) {
	dir := t.TempDir()
	out, err := child(t, "torn", dir).Output()
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child should have killed itself, got %v", err)
	}
	acked := strings.Fields(string(out))
	s := openTest(t, testConfig(dir), Deps{})
	stored := map[string]bool{}
	for _, line := range samples(t, tenantOf(t, s, "x")) {
		stored[line[strings.LastIndex(line, "=")+1:]] = true
	}
	for _, i := range acked {
		if !stored[i] {
			t.Errorf("lost sample %s", i)
		}
	}
	if len(acked) != 1990 {
		t.Errorf("want 1990 acknowledged, got %d", len(acked))
	}
}

// A crash may tear the last record of either log. What the other log holds is
// there nevertheless, at once.
func TestTornLogs(t *testing.T) {
	for _, torn := range [][]string{{"wal"}, {wlog.WblDirName}, {"wal", wlog.WblDirName}} {
		t.Run(strings.Join(torn, " and "), func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			s := openTest(t, cfg, Deps{})
			tm := tenantOf(t, s, "x")
			ls := labels.FromStrings(model.MetricNameLabel, "m")
			for i := range 10 {
				at := base.Add(time.Duration(i) * time.Second)
				if i >= 5 {
					at = at.Add(-time.Minute)
				}
				if err := put(tm, ls, at, float64(i)); err != nil {
					t.Fatal(err)
				}
			}
			before := samples(t, tm)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for _, log := range torn {
				tear(t, filepath.Join(cfg.Dir, "x", log))
			}
			s = openTest(t, cfg, Deps{})
			tm = tenantOf(t, s, "x")
			if d := cmp.Diff(before, samples(t, tm)); d != "" || len(before) != 10 {
				t.Errorf("(-before +after):\n%s", d)
			}
			if err := put(tm, ls, base.Add(time.Minute), 99); err != nil {
				t.Error(err)
			}
		})
	}
}

// tear ends the last segment of a log with the first part of a record.
func tear(t *testing.T, dir string) {
	t.Helper()
	_, last, err := wlog.Segments(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(wlog.SegmentName(dir, last), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	const recordFirst = 2 // the type of a record that goes on in the next page
	if _, err := f.Write([]byte{recordFirst, 0, 200, 1, 2, 3, 4, 'c', 'u', 't'}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
