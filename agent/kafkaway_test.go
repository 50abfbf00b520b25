package agent

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestToKafka: with brokers everything goes there, by the same queue.
func TestToKafka(t *testing.T) {
	o, err := OptionsFromEnv(getenv(map[string]string{
		"CLEW_KAFKA_BROKERS": "kafka-1:9092, kafka-2:9092", "CLEW_KAFKA_TOPIC_PREFIX": "team-a.", "CLEW_KAFKA_TLS": "true",
		"CLEW_KAFKA_USERNAME": "clew", "CLEW_CA_FILE": "/ca.pem",
	}))
	if err != nil {
		t.Fatal(err)
	}
	text, err := DefaultConfig(o, Layout{PodLogs: true})
	if err != nil {
		t.Fatal(err)
	}
	cfg := resolve(t, text)
	for name, pipeline := range dig(t, cfg, "service", "pipelines").(map[string]any) {
		if diff := cmp.Diff([]any{"kafka"}, dig(t, pipeline, "exporters")); diff != "" {
			t.Errorf("pipeline %s (-want +got):\n%s", name, diff)
		}
	}
	for _, c := range []struct {
		path []string
		want any
	}{
		{[]string{"brokers"}, []any{"kafka-1:9092", "kafka-2:9092"}},
		{[]string{"logs", "topic"}, "team-a.otlp_logs"},
		{[]string{"producer", "required_acks"}, "all"},
		{[]string{"tls", "ca_file"}, "/ca.pem"},
		{[]string{"auth", "sasl", "username"}, "clew"},
		{[]string{"sending_queue", "storage"}, "clew_queue_file"},
	} {
		if diff := cmp.Diff(c.want, dig(t, cfg, append([]string{"exporters", "kafka"}, c.path...)...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.path, diff)
		}
	}
}

// TestFromKafka: what carries on to a server has no queue of its own, and marks
// a message when the server has it.
func TestFromKafka(t *testing.T) {
	o, err := OptionsFromEnv(getenv(map[string]string{
		"CLEW_KAFKA_BROKERS": "kafka-1:9092", "CLEW_TOKEN": "x", "CLEW_AGENT_METRICS_LISTEN": "0.0.0.0:9000", "CLEW_AGENT_HEALTH_LISTEN": "127.0.0.1:13133",
	}))
	if err != nil {
		t.Fatal(err)
	}
	text, err := GatewayConfig(o)
	if err != nil {
		t.Fatal(err)
	}
	cfg := resolve(t, text)
	marking := map[string]any{"after": true, "on_error": false, "on_permanent_error": true}
	if diff := cmp.Diff(marking, dig(t, cfg, "receivers", "kafka", "message_marking")); diff != "" {
		t.Errorf("marking (-want +got):\n%s", diff)
	}
	queue := dig(t, cfg, "exporters", "otlp_http", "sending_queue").(map[string]any)
	if queue["enabled"] != false {
		t.Error("a queue behind Kafka acknowledges what the server does not have")
	}
	if diff := cmp.Diff([]any{"clew_patience", "health_check"}, dig(t, cfg, "service", "extensions")); diff != "" {
		t.Errorf("extensions (-want +got):\n%s", diff)
	}
	if out, err := run(t, "validate", "--config", kafkaURI, "--kafka-brokers", "kafka-1:9092"); err != nil {
		t.Errorf("validate: %v\n%s", err, out)
	}
	if out, err := run(t, "default", kafkaURI, "--kafka-brokers", "kafka-9:9092"); err != nil || !strings.Contains(out, "kafka-9:9092") {
		t.Errorf("default %s: %v\n%s", kafkaURI, err, out)
	}
	if _, err := run(t, "validate", "--config", kafkaURI); err == nil || !strings.Contains(err.Error(), "--kafka-brokers") {
		t.Errorf("without brokers: %v", err)
	}
}
