// Package alertmanagertest runs a real Alertmanager for tests: the one that is
// installed, or Debian's package unpacked into the repository's .cache folder.
// Where neither is to be had the test fails; alerts that nobody receives are
// not worth a green test.
package alertmanagertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clewhq/clew/internal/debtest"
	"github.com/clewhq/clew/internal/freeport"
)

const (
	// debianPackage is the package, and the name of the program in it.
	debianPackage = "prometheus-alertmanager"
	// debianShare is where Debian's build looks for its templates. Only root
	// could put them there, so the unpacked program is told another place.
	debianShare = "/usr/share/prometheus/alertmanager"
)

const configuration = `
route: {receiver: nobody, group_wait: 0s, group_interval: 1s}
receivers: [{name: nobody}]
`

// Alertmanager is a running Alertmanager.
type Alertmanager struct {
	URL string
}

// Alert is an alert as Alertmanager's API shows it.
type Alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	GeneratorURL string            `json:"generatorURL"`
}

// Start starts an Alertmanager on a free port of the loopback interface. It
// ends with the test.
func Start(t testing.TB) *Alertmanager {
	t.Helper()
	found, err := binary()
	if err != nil {
		t.Fatalf("a real Alertmanager is needed: %v", err)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(conf, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	var log bytes.Buffer
	cmd := exec.Command(found.path, "--config.file="+conf, "--storage.path="+dir,
		"--web.listen-address="+address, "--cluster.listen-address=")
	cmd.Dir, cmd.Stdout, cmd.Stderr = found.dir, &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Alertmanager's log:\n%s", &log)
		}
	})
	am := &Alertmanager{URL: "http://" + address}
	am.await(t)
	return am
}

// Alerts asks for the alerts that are active.
func (a *Alertmanager) Alerts(ctx context.Context) ([]Alert, error) {
	var alerts []Alert
	return alerts, a.get(ctx, "/api/v2/alerts", &alerts)
}

func (a *Alertmanager) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", path, resp.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// await returns when the server answers.
func (a *Alertmanager) await(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := a.get(ctx, "/-/ready", nil)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("Alertmanager does not become ready: %v", err)
		case <-tick.C:
		}
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// executable is a program and the folder it is to be started in.
type executable struct{ path, dir string }

// binary finds the program, fetching it once.
var binary = sync.OnceValues(func() (executable, error) {
	for _, name := range []string{debianPackage, "alertmanager"} {
		if path, err := exec.LookPath(name); err == nil {
			return executable{path: path}, nil
		}
	}
	root, err := debtest.Unpack(debianPackage, func(root string) error { return relocate(program(root)) })
	return executable{program(root), filepath.Join(root, debianShare)}, err
})

func program(root string) string { return filepath.Join(root, "usr", "bin", debianPackage) }

// relocate makes the program look for its templates in the folder it is
// started in: the path in it becomes one of the same length that means ".".
func relocate(path string) error {
	program, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	here := "." + strings.Repeat("/", len(debianShare)-1)
	program = bytes.ReplaceAll(program, []byte(debianShare), []byte(here))
	return os.WriteFile(path, program, 0o755)
}
