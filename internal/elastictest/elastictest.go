// Package elastictest runs a real Elasticsearch for tests: the server as Maven
// Central has it, put together in the repository's .cache folder on first use,
// started by the first test of a process that asks and stopped with the
// process. Where Java is missing the test fails: what no Elasticsearch has
// taken proves nothing.
//
// It is the server, and security where a test asks for it, without what else a
// distribution adds: no lifecycle policies or scripts. node/ holds the little
// Java around it.
package elastictest

import (
	"embed"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/clewhq/clew/internal/freeport"
	"github.com/clewhq/clew/internal/maventest"
)

//go:embed node
var sources embed.FS

// startLimit is how long a node may take to answer on a busy machine.
const startLimit = 3 * time.Minute

// Node is a running Elasticsearch.
type Node struct {
	// URL is where it answers.
	URL string

	dir    string
	number int // in its cluster, from 1
	total  int // nodes of the cluster
	http   int // port of the cluster's first node
	inner  int // port of the first node's transport, 0 for any
	heap   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	log    *os.File
	home   string
	// secured has it ask who calls.
	secured bool
}

// TempDir makes a folder for the data of a node, in memory where the system
// has such a place: a test node need not wait for the disk.
func TempDir() (string, error) {
	const memory = "/dev/shm"
	if d, err := os.MkdirTemp(memory, "elasticsearch-"); err == nil {
		return d, nil
	}
	return os.MkdirTemp("", "elasticsearch-")
}

// Start starts a node of its own for the test, which stops it with t.Cleanup.
func Start(t testing.TB) *Node {
	t.Helper()
	dir, err := TempDir()
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Kill()
		_ = os.RemoveAll(dir)
	})
	return n
}

// New starts a node whose data are in dir. The caller calls Kill.
func New(dir string) (*Node, error) {
	n, err := newNode(dir)
	if err != nil {
		return nil, err
	}
	return n, n.Restart()
}

// newNode is a node that has not been started.
func newNode(dir string) (*Node, error) {
	home, err := build()
	if err != nil {
		return nil, fmt.Errorf("a real Elasticsearch is needed: %w", err)
	}
	n := &Node{dir: dir, home: home, number: 1, total: 1, heap: "400m"}
	if n.http, err = freePorts(1); err != nil {
		return nil, err
	}
	n.URL = fmt.Sprintf("http://127.0.0.1:%d", n.http)
	return n, nil
}

// freePorts returns the first of some ports in a row that nobody listens on.
func freePorts(n int) (int, error) {
	for range 100 {
		var ports []int
		for range n {
			address, err := freeport.Address()
			if err != nil {
				return 0, err
			}
			at, err := net.ResolveTCPAddr("tcp", address)
			if err != nil {
				return 0, err
			}
			ports = append(ports, at.Port)
		}
		if ports[n-1] == ports[0]+n-1 {
			return ports[0], nil
		}
	}
	return 0, fmt.Errorf("find %d free ports in a row", n)
}

// Restart starts the node after Kill, on the same port and data.
func (n *Node) Restart() error {
	if err := n.launch(); err != nil {
		return err
	}
	return n.wait()
}

// launch starts the process.
func (n *Node) launch() (err error) {
	transport := n.inner
	if transport == 0 {
		if transport, err = freePorts(1); err != nil {
			return err
		}
	}
	if n.log, err = os.Create(filepath.Join(n.dir, fmt.Sprintf("node-%d.log", n.number))); err != nil {
		return err
	}
	args := []string{
		"-Xms" + n.heap, "-Xmx" + n.heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"--add-exports", "org.elasticsearch.server/org.elasticsearch.plugins.interceptor=ALL-UNNAMED", // to security
		"-Des.queryable_built_in_roles_enabled=false", // their index takes a module that is not there
		"--module-path", filepath.Join(n.home, "lib"), "--add-modules", "ALL-MODULE-PATH",
		"-Dio.netty.noUnsafe=true", "-Dio.netty.noKeySetOptimization=true", "-Dio.netty.recycler.maxCapacityPerThread=0",
		"-Dlog4j.shutdownHookEnabled=false", "-Dlog4j2.disable.jmx=true", "-Djava.locale.providers=CLDR",
		"-cp", filepath.Join(n.home, "launcher.jar"), "EsRun", "home=" + n.home, "data=" + filepath.Join(n.dir, "data"),
		fmt.Sprintf("http=%d", n.http), fmt.Sprintf("transport=%d", transport),
		fmt.Sprintf("total=%d", n.total), fmt.Sprintf("run=%d", n.number), "cluster.max_shards_per_node=5000",
	}
	if n.secured {
		args = append(args, n.security()...)
	}
	n.cmd = exec.Command("java", args...)
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	if n.in, err = n.cmd.StdinPipe(); err != nil {
		return err
	}
	return n.cmd.Start()
}

// wait returns once the node answers.
func (n *Node) wait() error {
	for begun := time.Now(); time.Since(begun) < startLimit; time.Sleep(100 * time.Millisecond) {
		if n.cmd.ProcessState == nil && n.answers() {
			return nil
		}
	}
	n.Kill()
	return fmt.Errorf("elasticsearch did not answer within %s; its log says: %s", startLimit, n.tail())
}

func (n *Node) answers() bool {
	res, err := http.Get(n.Admin() + "/_cluster/health?wait_for_status=yellow&timeout=1s")
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK
}

func (n *Node) tail() string {
	b, _ := os.ReadFile(n.log.Name())
	return string(b[max(0, len(b)-2000):])
}

// Kill ends the node at once, as a crash does.
func (n *Node) Kill() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
	_ = n.in.Close()
	_ = n.log.Close()
	n.cmd = nil
	http.DefaultClient.CloseIdleConnections()
}

// build returns the folder with the server, made where there is none.
var build = sync.OnceValues(func() (string, error) {
	return maventest.Build("elasticsearch", sources, "launcher.jar")
})

// LoseShards removes the files of the shards of an index, which is closed, as a
// disk does that fails.
func (n *Node) LoseShards(uuid string) error {
	shards, err := filepath.Glob(filepath.Join(n.dir, "data", "*", "indices", uuid, "[0-9]*"))
	if err == nil && len(shards) == 0 {
		err = fmt.Errorf("no shards of index %s in %s", uuid, n.dir)
	}
	if err != nil {
		return err
	}
	for _, s := range shards {
		if err := os.RemoveAll(s); err != nil {
			return err
		}
	}
	return nil
}
