package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/clewhq/clew/internal/kafkatest"
)

// poisoned are the messages in Kafka that are no OTLP.
const poisoned = 3

// TestKafka sends lines to an agent, which sends them to a real Kafka, from
// where two other agents carry them to a server. Each of the four is killed
// under load. Every line is there, once; no offset is committed before its
// line is durable; what is no OTLP is counted and stops nothing.
func TestKafka(t *testing.T) {
	kafka := kafkatest.Start(t)
	server := newInstance(t)
	server.start()
	first := newAgent(t, kafka.Address, "http://"+server.otlp)
	first.start()
	var carriers []*agentProcess
	for range 2 {
		c := newAgent(t, kafka.Address, "http://"+server.otlp, "--config", "clew:kafka")
		c.start()
		carriers = append(carriers, c)
	}

	load := startLoad(first.otlp)
	waitFor(t, "lines are acknowledged", func() bool { return load.more(20) })
	poison(t, kafka.Address)
	waitFor(t, "what is no OTLP is counted", func() bool { return carriers[0].unread(t)+carriers[1].unread(t) >= poisoned })
	waitFor(t, "offsets are committed", func() bool { return committed(t, kafka.Address) > poisoned })

	server.kill()
	var rest int64
	waitFor(t, "commits of what the server had come to an end", func() bool {
		before := rest
		waitFor(t, "lines are acknowledged without a server", func() bool { return load.more(60) })
		rest = committed(t, kafka.Address)
		return rest == before
	})
	waitFor(t, "lines wait in Kafka", func() bool { return lag(t, kafka.Address) > 60 })
	if now := committed(t, kafka.Address); now != rest {
		t.Errorf("offsets went from %d to %d while no server took anything", rest, now)
	}
	server.start()
	waitFor(t, "they are carried on", func() bool { return committed(t, kafka.Address) > rest+60 })

	kafka.Kill()
	waitFor(t, "lines are acknowledged without Kafka", func() bool { return load.more(50) })
	if err := kafka.Restart(); err != nil {
		t.Fatal(err)
	}
	for _, a := range []*agentProcess{first, carriers[0]} {
		a.kill()
		a.start()
		waitFor(t, "lines are acknowledged again", func() bool { return load.more(50) })
	}
	acked := load.stop()

	waitFor(t, "all lines are there, once", func() bool { return lines(t, server, acked) })
	waitFor(t, "every offset is committed", func() bool { return lag(t, kafka.Address) == 0 })
	if said := carriers[0].said(t) + carriers[1].said(t); !regexp.MustCompile(`skipping.*"topic": "otlp_logs", "partition": \d`).MatchString(said) {
		t.Errorf("no message that is no OTLP is named:\n%s", said)
	}
}

// agentProcess is a running clew-agent.
type agentProcess struct {
	t             *testing.T
	args          []string
	env           []string
	otlp, metrics string
	log           string
	cmd           *exec.Cmd
}

func newAgent(t *testing.T, kafka, server string, more ...string) *agentProcess {
	t.Helper()
	dir := t.TempDir()
	a := &agentProcess{t: t, otlp: freeAddr(t), metrics: freeAddr(t), log: filepath.Join(dir, "agent.log")}
	a.args = append([]string{
		"--kafka-brokers", kafka, "--endpoint", server, "--data-dir", filepath.Join(dir, "state"),
		"--log-glob", filepath.Join(dir, "*.none"), "--otlp-grpc-listen", freeAddr(t), "--otlp-http-listen", a.otlp,
	}, more...)
	a.env = append(os.Environ(), asAgent+"=1", "CLEW_AGENT_METRICS_LISTEN="+a.metrics)
	t.Cleanup(func() {
		a.kill()
		if t.Failed() {
			t.Logf("an agent said:\n%s", a.said(t))
		}
	})
	return a
}

func (a *agentProcess) start() {
	a.t.Helper()
	f, err := os.OpenFile(a.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		a.t.Fatal(err)
	}
	defer f.Close()
	a.cmd = exec.Command(os.Args[0], a.args...)
	a.cmd.Env, a.cmd.Stdout, a.cmd.Stderr = a.env, f, f
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
}

func (a *agentProcess) kill() {
	if a.cmd != nil {
		_ = a.cmd.Process.Kill() // it may have ended already
		_ = a.cmd.Wait()
		a.cmd = nil
	}
}

func (a *agentProcess) said(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(a.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var unreadMetric = regexp.MustCompile(`(?m)^otelcol_kafka_receiver_unmarshal_failed_log_records\S* (\d+)`)

// unread is how many messages the process has seen that are no OTLP.
func (a *agentProcess) unread(t *testing.T) (n int) {
	t.Helper()
	res, err := http.Get("http://" + a.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range unreadMetric.FindAllSubmatch(page, -1) {
		one, err := strconv.Atoi(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		n += one
	}
	return n
}

func newAdmin(t *testing.T, address string) *kadm.Client {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return kadm.NewClient(c)
}

// poison sends messages that are no OTLP, to some partitions.
func poison(t *testing.T, address string) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for n := range poisoned {
		r := &kgo.Record{Topic: "otlp_logs", Partition: int32(n), Value: bytes.Repeat([]byte{0xff}, 10+n)}
		if err := c.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// committed is the sum of the offsets of logs that the carriers are done with.
func committed(t *testing.T, address string) (sum int64) {
	t.Helper()
	offsets, err := newAdmin(t, address).FetchOffsets(t.Context(), "clew")
	if err != nil {
		t.Fatal(err)
	}
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Topic == "otlp_logs" && o.At > 0 {
			sum += o.At
		}
	})
	return sum
}

// lag is how many messages of logs the carriers are not done with.
func lag(t *testing.T, address string) (sum int64) {
	t.Helper()
	ends, err := newAdmin(t, address).ListEndOffsets(t.Context(), "otlp_logs")
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum - committed(t, address)
}
