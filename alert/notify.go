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

	"github.com/clewhq/clew/internal/guard"
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
	// LastError is what was wrong with the last request, "" where nothing was.
	LastError string
	// Breaker is the state of the circuit breaker: closed, open or half_open.
	Breaker string
}

// notifications sends alerts to all Alertmanagers.
type notifications struct {
	*notifier.Manager
	cfg     Config
	reg     prometheus.Registerer
	log     *slog.Logger
	targets chan map[string][]*targetgroup.Group
	wg      sync.WaitGroup

	mu        sync.RWMutex
	ways      map[string]*way // by address
	addresses []string        // in the order of the configuration
}

func newNotifications(cfg Config, reg prometheus.Registerer, log *slog.Logger) (*notifications, error) {
	n := &notifications{cfg: cfg, reg: reg, log: log, targets: make(chan map[string][]*targetgroup.Group, 1)}
	n.Manager = notifier.NewManager(&notifier.Options{
		QueueCapacity:   cfg.QueueCapacity,
		DrainOnShutdown: true, // bounded by send_timeout a batch
		Do:              n.do,
		Registerer:      reg,
	}, model.UTF8Validation, log)
	return n, n.aim(cfg.Alertmanagers)
}

// aim sends to these from now on. One caller at a time.
func (n *notifications) aim(alertmanagers []string) error {
	conf := &config.Config{GlobalConfig: config.GlobalConfig{
		ExternalLabels:             n.cfg.externalLabels(),
		MetricNameValidationScheme: model.UTF8Validation,
	}}
	targets, ways := map[string][]*targetgroup.Group{}, map[string]*way{}
	var addresses []string
	for i, address := range alertmanagers {
		am, target, err := alertmanager(address, n.cfg.RetryFor+n.cfg.SendTimeout)
		if err != nil {
			return err
		}
		conf.AlertingConfig.AlertmanagerConfigs = append(conf.AlertingConfig.AlertmanagerConfigs, am)
		key := am.Scheme + "://" + target
		if ways[key] = n.ways[key]; ways[key] == nil || i >= len(n.addresses) || n.addresses[i] != key {
			ways[key] = newWay(i+1, n.cfg, n.reg, n.log)
		}
		addresses = append(addresses, key)
		targets[fmt.Sprintf("config-%d", i)] = []*targetgroup.Group{{
			Source: key, Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(target)}},
		}}
	}
	if err := n.ApplyConfig(conf); err != nil {
		return fmt.Errorf("set up alertmanagers: %w", err)
	}
	n.mu.Lock()
	n.ways, n.addresses = ways, addresses
	n.mu.Unlock()
	n.targets <- targets
	return nil
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

// do sends a request to an Alertmanager, the way that leads there.
func (n *notifications) do(ctx context.Context, client *http.Client, req *http.Request) (*http.Response, error) {
	n.mu.RLock()
	w := n.ways[req.URL.Scheme+"://"+req.URL.Host]
	n.mu.RUnlock()
	if w == nil {
		return client.Do(req.WithContext(ctx))
	}
	return w.send(ctx, client, req)
}

// list returns what is known of the Alertmanagers.
func (n *notifications) list() []Endpoint {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out := make([]Endpoint, 0, len(n.addresses))
	for _, address := range n.addresses {
		out = append(out, n.ways[address].endpoint(address))
	}
	return out
}

// switches are the circuit breakers, by name.
func (n *notifications) switches() map[string]guard.Switch {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out := make(map[string]guard.Switch, len(n.ways))
	for i, address := range n.addresses {
		out[wayName(i+1)] = n.ways[address].guard
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
