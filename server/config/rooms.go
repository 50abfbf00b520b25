package config

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/alert"
	"github.com/clewhq/clew/collector"
	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/query/api/jaeger"
	"github.com/clewhq/clew/query/api/loki"
	"github.com/clewhq/clew/query/api/prometheus"
	"github.com/clewhq/clew/query/api/tempo"
	"github.com/clewhq/clew/query/compare"
	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/coverage"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/storage/metrics"
	"github.com/clewhq/clew/storage/metrics/remote"
)

// Rooms are the sections that belong to other rooms.
type Rooms struct {
	// Limits bound what tenants may send. They are read again without a restart.
	Limits Limits `yaml:"limits"`
	// Receivers is the way in: what is taken.
	Receivers collector.Config `yaml:"receivers"`
	// Correlation adds to what counts as an ID.
	Correlation correlation.Config `yaml:"correlation"`
	// Storage is where everything is kept, and for how long.
	Storage Storage `yaml:"storage"`
	// Query is what questions may cost.
	Query Query `yaml:"query"`
	// Alert is which rules are evaluated, and who is told.
	Alert alert.Config `yaml:"alert"`
}

// Storage is the `storage` section.
type Storage struct {
	// Backend is where logs and spans live: local, the embedded engine, or elasticsearch.
	Backend string `yaml:"backend"`
	// Local is the embedded engine; its directory is everything's that this process keeps.
	Local local.Config `yaml:"local"`
	// Elasticsearch is the cluster that keeps logs and spans where the backend is elasticsearch.
	Elasticsearch elastic.Config `yaml:"elasticsearch"`
	// Metrics is the embedded Prometheus TSDB, or a store elsewhere.
	Metrics Metrics `yaml:"metrics"`
	// Retention is how long each signal is kept.
	Retention Retention `yaml:"retention"`
}

// Metrics is the `storage.metrics` section.
type Metrics struct {
	// Backend is where metrics live: local, the embedded TSDB, or remote, a store that speaks Prometheus's protocols.
	Backend        string `yaml:"backend"`
	metrics.Config `yaml:",inline"`
	// Remote is the store that keeps metrics where the backend is remote.
	Remote remote.Config `yaml:"remote"`
}

// Retention is the `storage.retention` section.
type Retention struct {
	// Logs is how long log records are kept, by whole days; 0 is for ever.
	Logs model.Duration `yaml:"logs"`
	// Traces is how long spans are kept, by whole days; 0 is for ever.
	Traces model.Duration `yaml:"traces"`
	// Metrics is how long samples are kept.
	Metrics model.Duration `yaml:"metrics"`
	// LogsBytes is up to how many bytes of segments of log records each tenant
	// may have: the oldest days go first. 0 is without end.
	LogsBytes int64 `yaml:"logs_bytes"`
	// TracesBytes is the same for spans.
	TracesBytes int64 `yaml:"traces_bytes"`
	// Tenants are tenants with a retention of their own: {NAME: {logs, traces,
	// logs_bytes, traces_bytes}}. An age that is left out is as for all, a bound
	// of bytes is none. They are read again when the file changes, as limits
	// are, and so is all of this section that is about the embedded engine.
	Tenants map[string]local.TenantRetention `yaml:"tenants"`
}

// Query is the `query` section.
type Query struct {
	// PromQL bounds Prometheus's queries.
	PromQL prometheus.Config `yaml:"promql"`
	// LogQL bounds Loki's queries.
	LogQL logql.Config `yaml:"logql"`
	// TraceQL bounds Tempo's and Jaeger's queries.
	TraceQL traceql.Config `yaml:"traceql"`
	// Correlate bounds the stories of IDs.
	Correlate correlate.Config `yaml:"correlate"`
	// Coverage bounds the answer to how well signals join.
	Coverage coverage.Config `yaml:"coverage"`
	// Compare bounds the comparison of selections.
	Compare compare.Config `yaml:"compare"`
	// ServiceMap bounds the map and says what counts as healthy.
	ServiceMap servicemap.Config `yaml:"servicemap"`
	// Loki holds the defaults of Loki's API.
	Loki loki.Config `yaml:"loki"`
	// Tempo holds the defaults of Tempo's API.
	Tempo tempo.Config `yaml:"tempo"`
	// Jaeger holds the defaults of Jaeger's API.
	Jaeger jaeger.Config `yaml:"jaeger"`
}

// The backends: of logs and spans the first two, of metrics local and remote.
const (
	BackendLocal         = "local"
	BackendElasticsearch = "elasticsearch"
	BackendRemote        = "remote"
)

const day = 24 * time.Hour

func defaultRooms() Rooms {
	return Rooms{
		Limits:      Limits{Limits: admission.DefaultConfig().Limits},
		Receivers:   collector.DefaultConfig(),
		Correlation: correlation.DefaultConfig(),
		Storage: Storage{
			Backend:       BackendLocal,
			Local:         local.DefaultConfig(),
			Elasticsearch: elastic.DefaultConfig(),
			Metrics:       Metrics{Backend: BackendLocal, Config: metrics.DefaultConfig(), Remote: remote.DefaultConfig()},
			Retention:     Retention{Logs: model.Duration(30 * day), Traces: model.Duration(14 * day), Metrics: model.Duration(90 * day)},
		},
		Query: Query{
			PromQL: prometheus.DefaultConfig(), LogQL: logql.DefaultConfig(), TraceQL: traceql.DefaultConfig(),
			Correlate: correlate.DefaultConfig(), ServiceMap: servicemap.DefaultConfig(),
			Coverage: coverage.DefaultConfig(), Compare: compare.DefaultConfig(),
			Loki: loki.DefaultConfig(), Tempo: tempo.DefaultConfig(), Jaeger: jaeger.DefaultConfig(),
		},
		Alert: alert.DefaultConfig(),
	}
}

// Records returns the configuration of the store of logs and spans.
func (s Storage) Records() local.Config {
	c := s.Local
	c.Dir = RecordsDir(s.Local.Dir)
	c.Retention = s.Retention.Records()
	return c
}

// Records returns how long the embedded engine keeps logs and spans.
func (r Retention) Records() local.Retention {
	return local.Retention{
		Logs: r.Logs, Traces: r.Traces, LogsBytes: r.LogsBytes, TracesBytes: r.TracesBytes, Tenants: r.Tenants,
	}
}

// MaxAge returns how old records of a tenant may be when they come.
func (r Retention) MaxAge(tenant string) admission.MaxAge {
	records := r.Records()
	logs, traces := records.Of(tenant)
	return admission.MaxAge{Logs: logs, Traces: traces, Metrics: r.Metrics}
}

// ElasticRecords returns the configuration of the store of logs and spans in
// Elasticsearch.
func (s Storage) ElasticRecords() elastic.Config {
	c := s.Elasticsearch
	c.Dir = filepath.Join(s.Local.Dir, "elasticsearch")
	c.Retention = elastic.Retention{Logs: s.Retention.Logs, Traces: s.Retention.Traces}
	return c
}

// Samples returns the configuration of the store of metrics.
func (s Storage) Samples() metrics.Config {
	c := s.Metrics.Config
	c.Dir = filepath.Join(s.Local.Dir, "metrics")
	c.Retention = s.Retention.Metrics
	return c
}

// RemoteSamples returns the configuration of metrics in a store elsewhere.
func (s Storage) RemoteSamples() remote.Config {
	c := s.Metrics.Remote
	c.Dir = filepath.Join(s.Local.Dir, "remote")
	c.MaxFuture = s.Metrics.MaxFuture
	return c
}

// Intake returns the configuration of the collector. What is older than the
// retention is refused, not stored and dropped at once.
func (r Rooms) Intake() collector.Config {
	c, keep := r.Receivers, r.Storage.Retention
	c.Admission.Limits = r.Limits.Limits
	c.Admission.MaxAge = keep.MaxAge("")
	return c
}

// RecordsDir is where logs and spans are below a data directory.
func RecordsDir(data string) string { return filepath.Join(data, "records") }

// validateRooms lets every room check its own section.
func (c *Config) validateRooms() []error {
	var errs []error
	in := func(section string, err error) {
		for _, e := range each(err) {
			errs = append(errs, fmt.Errorf("%s: %w", section, e))
		}
	}
	if b := c.Storage.Backend; b != BackendLocal && b != BackendElasticsearch {
		in("storage.backend", fmt.Errorf("%q: use local or elasticsearch", b))
	}
	switch c.Storage.Metrics.Backend {
	case BackendLocal:
	case BackendRemote:
		in("storage.metrics.remote", c.Storage.RemoteSamples().Validate())
	default:
		in("storage.metrics.backend", fmt.Errorf("%q: use local or remote", c.Storage.Metrics.Backend))
	}
	records, samples, intake := c.Storage.Records(), c.Storage.Samples(), c.Intake()
	in("limits", c.Limits.Validate())
	in("receivers", intake.Validate())
	in("correlation", c.Correlation.Validate())
	in("storage.local", records.Validate())
	if c.Storage.Backend == BackendElasticsearch {
		in("storage.elasticsearch", c.Storage.ElasticRecords().Validate())
		if r := c.Storage.Retention; r.LogsBytes > 0 || r.TracesBytes > 0 || len(r.Tenants) > 0 {
			in("storage.retention", errors.New("logs_bytes, traces_bytes and tenants are the embedded engine's; with storage.backend: elasticsearch all records go by age, logs and traces"))
		}
	}
	in("storage.metrics", samples.Validate())
	in("query.promql", c.Query.PromQL.Validate())
	in("query.logql", c.Query.LogQL.Validate())
	in("query.traceql", c.Query.TraceQL.Validate())
	in("query.correlate", c.Query.Correlate.Validate())
	in("query.coverage", c.Query.Coverage.Validate())
	in("query.compare", c.Query.Compare.Validate())
	in("query.servicemap", c.Query.ServiceMap.Validate())
	in("query.loki", c.Query.Loki.Validate())
	in("query.tempo", c.Query.Tempo.Validate())
	in("query.jaeger", c.Query.Jaeger.Validate())
	in("alert", c.Alert.Validate())
	return errs
}

// each returns the errors that are joined in one, none for nil.
func each(err error) (out []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok || err.Error() != errors.Join(joined.Unwrap()...).Error():
		return []error{err} // with a text of its own
	}
	for _, e := range joined.Unwrap() {
		out = append(out, each(e)...)
	}
	return out
}

// maskRooms hides credentials, also those that stand in addresses.
func (c *Config) maskRooms() {
	c.Alert.Alertmanagers = redacted(c.Alert.Alertmanagers)
	es := &c.Storage.Elasticsearch
	es.Addresses = redacted(es.Addresses)
	mask(&es.Password)
	mask(&es.APIKey)
	far := &c.Storage.Metrics.Remote
	far.QueryURL, far.WriteURL = redacted([]string{far.QueryURL})[0], redacted([]string{far.WriteURL})[0]
	mask(&far.Password)
	mask(&far.Authorization)
	mask(&c.Storage.Local.Objects.S3.SecretKey)
}

func redacted(addresses []string) []string {
	out := slices.Clone(addresses)
	for i, address := range out {
		if u, err := url.Parse(address); err == nil {
			out[i] = u.Redacted()
		}
	}
	return out
}
