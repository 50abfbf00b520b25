package agent

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Kafka is where the agent sends instead of a server, and where one that runs
// clew:kafka takes from.
type Kafka struct {
	// Brokers are some of them, as host:port; none is no Kafka.
	Brokers []string
	// TopicPrefix stands in front of otlp_logs, otlp_spans and otlp_metrics.
	TopicPrefix string
	// Group is what the processes are called that share the topics.
	Group string
	// TLS encrypts, with the roots of Options.CAFile and the system's.
	TLS bool
	// Username is for SCRAM-SHA-512, "" means without. The password is read by
	// the Collector, from CLEW_KAFKA_PASSWORD.
	Username string
	// MetricsListen is where a process that runs clew:kafka tells what it has
	// taken, and what was no OTLP.
	MetricsListen string
}

// DefaultMetricsListen is where the Collector's own metrics are by habit.
const DefaultMetricsListen = "127.0.0.1:8888"

func kafkaFromEnv(getenv func(string) string, or func(name, fallback string) string) (Kafka, error) {
	k := Kafka{
		Brokers:       splitList(getenv("CLEW_KAFKA_BROKERS")),
		TopicPrefix:   getenv("CLEW_KAFKA_TOPIC_PREFIX"),
		Group:         or("CLEW_KAFKA_GROUP", "clew"),
		Username:      getenv("CLEW_KAFKA_USERNAME"),
		MetricsListen: or("CLEW_AGENT_METRICS_LISTEN", DefaultMetricsListen),
	}
	var err error
	if text := getenv("CLEW_KAFKA_TLS"); text != "" {
		if k.TLS, err = strconv.ParseBool(text); err != nil {
			return k, fmt.Errorf("read CLEW_KAFKA_TLS: %q, want true or false", text)
		}
	}
	return k, nil
}

func (k Kafka) validate() error {
	var errs []error
	for _, b := range k.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			errs = append(errs, fmt.Errorf("--kafka-brokers %q: want host:port, as kafka-1:9092", b))
		}
	}
	if _, port, err := net.SplitHostPort(k.MetricsListen); err != nil || !isPort(port) {
		errs = append(errs, fmt.Errorf("CLEW_AGENT_METRICS_LISTEN %q: want host:port, as %s", k.MetricsListen, DefaultMetricsListen))
	}
	return errors.Join(errs...)
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// GatewayConfig returns the configuration, as YAML, of a process that takes
// from Kafka what agents have put there, and sends it to the server.
func GatewayConfig(o Options) ([]byte, error) {
	o, err := o.normalize()
	if err != nil {
		return nil, err
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if len(o.Kafka.Brokers) == 0 {
		return nil, errors.New("--kafka-brokers is empty: want some of the brokers, as kafka-1:9092,kafka-2:9092")
	}
	s := settings{Options: o, Extensions: []string{"clew_patience"}}
	if o.HealthListen != "" {
		s.Extensions = append(s.Extensions, "health_check")
	}
	if s.MetricsHost, s.MetricsPort, err = net.SplitHostPort(o.Kafka.MetricsListen); err != nil {
		return nil, err
	}
	return render("kafka.yaml.tmpl", s)
}
