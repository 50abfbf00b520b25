package alert

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"
	"github.com/prometheus/prometheus/rules"

	"github.com/clewhq/clew/internal/tenant"
)

// tenantLabel tells the alerts of tenants apart in an Alertmanager they share.
const tenantLabel = "tenant"

// Endpoint is an Alertmanager and how it has answered.
type Endpoint struct {
	// Address is where it is, without credentials.
	Address string
	// Contacted tells whether anything was sent yet; until then nothing else
	// is known.
	Contacted bool
	// Connected tells whether the last request was answered well.
	Connected bool
	// Average is how long requests took lately.
	Average time.Duration
	// LastError is what was wrong with the last request that failed.
	LastError string
}

// notifications sends alerts to all Alertmanagers.
type notifications struct {
	*notifier.Manager
	targets chan map[string][]*targetgroup.Group
	wg      sync.WaitGroup

	mu        sync.Mutex
	endpoints map[string]*Endpoint // by address
	addresses []string             // in the order of the configuration
}

func newNotifications(cfg Config, reg prometheus.Registerer, log *slog.Logger) (*notifications, error) {
	n := &notifications{
		targets:   make(chan map[string][]*targetgroup.Group, 1),
		endpoints: map[string]*Endpoint{},
	}
	n.Manager = notifier.NewManager(&notifier.Options{
		QueueCapacity:   cfg.QueueCapacity,
		DrainOnShutdown: true, // bounded by send_timeout a batch
		Do:              n.do,
		Registerer:      reg,
	}, model.UTF8Validation, log)

	conf := &config.Config{GlobalConfig: config.GlobalConfig{
		ExternalLabels:             cfg.externalLabels(),
		MetricNameValidationScheme: model.UTF8Validation,
	}}
	targets := map[string][]*targetgroup.Group{}
	for i, address := range cfg.Alertmanagers {
		am, target, err := alertmanager(address, cfg.SendTimeout)
		if err != nil {
			return nil, err
		}
		conf.AlertingConfig.AlertmanagerConfigs = append(conf.AlertingConfig.AlertmanagerConfigs, am)
		key := am.Scheme + "://" + target
		n.endpoints[key] = &Endpoint{Address: key}
		n.addresses = append(n.addresses, key)
		targets[fmt.Sprintf("config-%d", i)] = []*targetgroup.Group{{
			Source: key, Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(target)}},
		}}
	}
	if err := n.ApplyConfig(conf); err != nil {
		return nil, fmt.Errorf("set up alertmanagers: %w", err)
	}
	n.targets <- targets
	return n, nil
}

// alertmanager turns an address into Prometheus's configuration and target.
func alertmanager(address string, timeout model.Duration) (*config.AlertmanagerConfig, string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, "", fmt.Errorf("alertmanager address: %w", err)
	}
	am := config.DefaultAlertmanagerConfig
	am.Scheme, am.PathPrefix, am.Timeout = u.Scheme, u.Path, timeout
	if u.User != nil {
		password, _ := u.User.Password()
		am.HTTPClientConfig.BasicAuth = &commonconfig.BasicAuth{
			Username: u.User.Username(), Password: commonconfig.Secret(password),
		}
	}
	host := u.Host
	if u.Port() == "" {
		host += map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	}
	return &am, host, nil
}

func (n *notifications) start() { n.wg.Go(func() { n.Run(n.targets) }) }

// stop sends what still waits and ends.
func (n *notifications) stop() {
	n.Stop()
	n.wg.Wait()
}

// do sends a request to an Alertmanager and remembers how that went.
func (n *notifications) do(ctx context.Context, client *http.Client, req *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := client.Do(req.WithContext(ctx))
	took := time.Since(began)
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.endpoints[req.URL.Scheme+"://"+req.URL.Host]
	if e == nil {
		return resp, err
	}
	if e.Average == 0 {
		e.Average = took
	}
	e.Average += (took - e.Average) / 10
	e.Contacted, e.Connected = true, err == nil && resp.StatusCode/100 == 2
	switch {
	case err != nil:
		e.LastError = err.Error()
	case !e.Connected:
		e.LastError = "answered " + resp.Status
	}
	return resp, err
}

// list returns a copy of what is known of the Alertmanagers.
func (n *notifications) list() []Endpoint {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]Endpoint, 0, len(n.addresses))
	for _, address := range n.addresses {
		out = append(out, *n.endpoints[address])
	}
	return out
}

// notify returns what rules of an owner call with the alerts that changed.
func (n *notifications) notify(o owner, externalURL, link string) rules.NotifyFunc {
	return func(_ context.Context, expr string, alerts ...*rules.Alert) {
		if len(alerts) == 0 {
			return
		}
		out := make([]*notifier.Alert, 0, len(alerts))
		for _, a := range alerts {
			sent := &notifier.Alert{
				StartsAt: a.FiredAt, EndsAt: a.ValidUntil, Labels: a.Labels, Annotations: a.Annotations,
				GeneratorURL: externalURL + link + url.QueryEscape(expr),
			}
			if !a.ResolvedAt.IsZero() {
				sent.EndsAt = a.ResolvedAt
			}
			if o.tenant != tenant.Anonymous && !a.Labels.Has(tenantLabel) {
				sent.Labels = labels.NewBuilder(a.Labels).Set(tenantLabel, o.tenant).Labels()
			}
			out = append(out, sent)
		}
		n.Send(out...)
	}
}
