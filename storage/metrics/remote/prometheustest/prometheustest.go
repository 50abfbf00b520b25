// Package prometheustest runs a real Prometheus for tests: Debian's package,
// unpacked into the repository's .cache folder. Where it is not to be had the
// test fails: samples that no other program has taken prove nothing.
package prometheustest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/clewhq/clew/internal/debtest"
	"github.com/clewhq/clew/internal/freeport"
)

const (
	debianPackage = "prometheus"
	configuration = "global: {scrape_interval: 1h}\n"
	// startWithin bounds the wait for a server, on a machine that is busy.
	startWithin = time.Minute
)

// Prometheus is a Prometheus that takes remote writes. It is for one
// goroutine.
type Prometheus struct {
	URL     string
	t       testing.TB
	program string
	dir     string
	address string
	log     bytes.Buffer
	cmd     *exec.Cmd // nil while it is stopped
}

// Start starts a Prometheus with an empty database on a free port of the
// loopback interface. It ends with the test.
func Start(t testing.TB) *Prometheus {
	t.Helper()
	root, err := debtest.Unpack(debianPackage, nil)
	if err != nil {
		t.Fatalf("a real Prometheus is needed: %v", err)
	}
	address, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	p := &Prometheus{t: t, program: filepath.Join(root, "usr", "bin", debianPackage), dir: t.TempDir(), address: address}
	p.URL = "http://" + p.address
	if err := os.WriteFile(filepath.Join(p.dir, "prometheus.yml"), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("Prometheus's log:\n%s", &p.log)
		}
	})
	p.Run()
	return p
}

// Run starts it, again on what it had stored.
func (p *Prometheus) Run() {
	p.t.Helper()
	p.cmd = exec.Command(p.program, "--config.file="+filepath.Join(p.dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(p.dir, "data"), "--web.listen-address="+p.address,
		"--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage,native-histograms")
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.await()
}

// Kill ends it at once, as kill -9 does.
func (p *Prometheus) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
	p.cmd = nil
}

// await returns when the server answers.
func (p *Prometheus) await() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), startWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := p.ready(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			p.t.Fatalf("Prometheus does not become ready: %v", err)
		case <-tick.C:
		}
	}
}

func (p *Prometheus) ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/-/ready", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}
