// Package kafkatest runs a real Kafka for tests: one node, broker and
// controller in one, put together from Maven Central in the repository's .cache
// folder on first use, started by the test that asks and stopped with it. Where
// Java is missing the test fails: what no Kafka has taken proves nothing.
package kafkatest

import (
	"embed"
	"fmt"
	"net"
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
const startLimit = 1 * time.Minute

// Node is a Kafka.
type Node struct {
	// Address is where clients find it.
	Address string

	home, dir string
	cmd       *exec.Cmd
}

// Start starts a node for the test, which stops it with t.Cleanup. Topics are
// made when they are first used.
func Start(t testing.TB) *Node {
	t.Helper()
	n, err := prepare(t.TempDir())
	if err != nil {
		t.Fatalf("a real Kafka is needed: %v", err)
	}
	t.Cleanup(n.Kill)
	if err := n.Restart(); err != nil {
		t.Fatal(err)
	}
	return n
}

// build returns the folder with the jars, made where there is none.
var build = sync.OnceValues(func() (string, error) {
	return maventest.Build("kafka", sources, "lib")
})

// settings are those of one node that is a cluster of its own. Every message
// is on the disk before it is acknowledged: nobody else has a copy.
const settings = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[2]s
listeners=PLAINTEXT://%[1]s,CONTROLLER://%[2]s
advertised.listeners=PLAINTEXT://%[1]s
controller.listener.names=CONTROLLER
log.dirs=%[3]s
num.partitions=4
log.flush.interval.messages=1
log.cleaner.dedupe.buffer.size=4194304
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
`

// clusterID is any 16 bytes in base64.
const clusterID = "Y2xldy1rYWZrYS10ZXN0cw"

func prepare(dir string) (*Node, error) {
	home, err := build()
	if err != nil {
		return nil, err
	}
	n := &Node{home: home, dir: dir}
	if n.Address, err = freeport.Address(); err != nil {
		return nil, err
	}
	controller, err := freeport.Address()
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf(settings, n.Address, controller, filepath.Join(dir, "log"))
	if err := os.WriteFile(n.file("server.properties"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	out, err := n.java("kafka.tools.StorageTool", "format", "--cluster-id", clusterID, "--config", n.file("server.properties")).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("format the log: %w: %s", err, out)
	}
	return n, nil
}

func (n *Node) file(name string) string { return filepath.Join(n.dir, name) }

func (n *Node) java(class string, args ...string) *exec.Cmd {
	return exec.Command("java", append([]string{
		"-Xms192m", "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", filepath.Join(n.home, "lib", "*"), class,
	}, args...)...)
}

// Restart starts the node after Kill, on the same address and data.
func (n *Node) Restart() error {
	log, err := os.OpenFile(n.file("node.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	n.cmd = n.java("kafka.Kafka", n.file("server.properties"))
	n.cmd.Stdout, n.cmd.Stderr = log, log
	if err := n.cmd.Start(); err != nil {
		return err
	}
	for begun := time.Now(); time.Since(begun) < startLimit; time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", n.Address); err == nil {
			return c.Close()
		}
	}
	n.Kill()
	said, _ := os.ReadFile(n.file("node.log"))
	return fmt.Errorf("kafka did not answer within %s; it said: %s", startLimit, said[max(0, len(said)-2000):])
}

// Kill ends the node at once, as a crash does.
func (n *Node) Kill() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
	n.cmd = nil
}
