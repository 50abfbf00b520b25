package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"

	"github.com/clewhq/clew/internal/guard"
	"github.com/clewhq/clew/storage"
)

// Deps is what alerting is given from outside. Metrics and PromQL are needed.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Metrics    storage.Metrics
	PromQL     Language
	// LogQL may be left out: then files that hold LogQL are refused.
	LogQL Language
	// Owns reports whether a group of rules is evaluated by this process, where
	// several share them. Where it is nil all are. It is asked at reloads; see
	// Share.
	Owns func(group string) bool
}

// Manager evaluates rules and tells Alertmanagers.
type Manager struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	self    *selfMetrics
	groups  *rules.Metrics
	notify  *notifications
	parsers map[kind]parser.Parser

	editing sync.Mutex  // held while a file of rules is changed
	share   atomic.Bool // what is owned has changed since the last reload

	// Everything below is changed by reloads only, one at a time.
	reloading sync.Mutex
	mu        sync.RWMutex // guards evaluators and errs for readers
	evals     map[owner]*evaluator
	errs      map[string]error // by path

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// evaluator evaluates the rules of one owner.
type evaluator struct {
	loader  *loader
	manager *rules.Manager
}

// New makes a manager; Start starts it.
func New(cfg Config, deps Deps) (*Manager, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("alerting: %w", err)
	}
	if deps.Metrics == nil || deps.PromQL.Query == nil {
		return nil, errors.New("alerting: want a metrics store and a PromQL query function")
	}
	if deps.Logger == nil {
		deps.Logger = promslog.NewNopLogger()
	}
	m := &Manager{
		cfg: cfg, deps: deps, log: deps.Logger.With("module", "alert"),
		evals: map[owner]*evaluator{}, errs: map[string]error{}, parsers: map[kind]parser.Parser{},
		groups: rules.NewGroupMetrics(deps.Registerer),
	}
	for k, l := range map[kind]Language{promQL: deps.PromQL, logQL: deps.LogQL} {
		if l.Query == nil {
			continue
		}
		p, err := l.parserOf(k)
		if err != nil {
			return nil, fmt.Errorf("alerting: %w", err)
		}
		m.parsers[k] = p
	}
	var err error
	if m.notify, err = newNotifications(cfg, deps.Registerer, m.log); err != nil {
		return nil, fmt.Errorf("alerting: %w", err)
	}
	m.self = newSelfMetrics(deps.Registerer)
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m, nil
}

// Start loads the rules and evaluates them until Close. Rule files that are
// wrong are logged, counted and listed by Errors; they do not keep it from
// starting.
func (m *Manager) Start() {
	m.notify.start()
	_ = m.Reload() // logged and kept
	m.wg.Go(m.watch)
}

// watch reloads the rules from time to time.
func (m *Manager) watch() {
	t := time.NewTicker(time.Duration(m.cfg.ReloadInterval))
	defer t.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-t.C:
			_ = m.Reload() // logged and kept
		}
	}
}

// Reload reads the rules folder and puts changes to work. It returns what is
// wrong with the rule files; the good ones are evaluated all the same.
func (m *Manager) Reload() error {
	m.reloading.Lock()
	defer m.reloading.Unlock()
	if m.ctx.Err() != nil {
		return storage.ErrClosed
	}
	owners, errs := findRules(m.cfg.RulesDir)
	for o, e := range m.evals {
		// Owners whose files are all gone are to be told, and files in a
		// folder that cannot be read at the moment are not gone.
		owners[o] = append(owners[o], e.loader.below(errs)...)
	}
	loaded, shared := 0, m.share.Swap(false)
	for o, paths := range owners {
		if err := m.update(o, paths, shared); err != nil {
			for _, path := range paths {
				errs[path] = fmt.Errorf("%s: %w", path, err)
			}
			continue
		}
		l := m.evals[o].loader
		loaded += len(l.good())
		for path, f := range l.files {
			if f.err != nil {
				errs[path] = f.err
			}
		}
	}
	m.report(errs)
	err := joined(errs)
	m.self.reloaded(err, loaded, len(errs))
	return err
}

// report keeps what is wrong and logs what was not wrong in the same way
// before.
func (m *Manager) report(errs map[string]error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for path, err := range errs {
		if old := m.errs[path]; old == nil || old.Error() != err.Error() {
			m.log.Error("rules cannot be loaded, the version before stays at work", "path", path, "err", err)
		}
	}
	m.errs = errs
}

// Share evaluates from now on what is owned now. The groups that this process
// takes over go on where the one before was, as far as their alerts are stored.
func (m *Manager) Share() {
	m.share.Store(true)
	_ = m.Reload() // logged and kept
}

// update puts the files of an owner to work.
func (m *Manager) update(o owner, paths []string, shared bool) error {
	e := m.evals[o]
	if e == nil {
		var err error
		if e, err = m.newEvaluator(o); err != nil {
			return err
		}
	}
	if changed := e.loader.refresh(paths); changed || shared {
		err := e.manager.Update(time.Duration(m.cfg.EvaluationInterval), e.loader.good(),
			m.cfg.externalLabels(), m.cfg.ExternalURL, nil)
		if err != nil {
			return err
		}
	}
	if m.evals[o] == nil {
		m.mu.Lock()
		m.evals[o] = e
		m.mu.Unlock()
		m.wg.Go(e.manager.Run)
	}
	return nil
}

func (m *Manager) newEvaluator(o owner) (*evaluator, error) {
	p := m.parsers[o.kind]
	if p == nil {
		return nil, fmt.Errorf("rules in %s cannot be evaluated by this server", o.kind)
	}
	metrics, err := m.deps.Metrics.Tenant(o.tenant)
	if err != nil {
		return nil, fmt.Errorf("open the metrics of tenant %q: %w", o.tenant, err)
	}
	external, err := url.Parse(m.cfg.ExternalURL)
	if err != nil {
		return nil, fmt.Errorf("external_url: %w", err)
	}
	language := m.deps.PromQL
	var dependencies rules.RuleDependencyController // Prometheus's own
	if o.kind == logQL {
		language, dependencies = m.deps.LogQL, noDependencies{}
	}
	log := m.log.With("tenant", o.tenant, "language", string(o.kind))
	e := &evaluator{loader: newLoader(p, log)}
	if m.deps.Owns != nil {
		e.loader.owns = func(path, group string) bool { return m.deps.Owns(m.cfg.piece(path, group)) }
	}
	e.manager = rules.NewManager(&rules.ManagerOptions{
		NameValidationScheme:     model.UTF8Validation,
		ExternalURL:              external,
		QueryFunc:                language.Query(o.tenant),
		NotifyFunc:               m.notify.notify(o, strings.TrimSuffix(m.cfg.ExternalURL, "/"), language.Link),
		Context:                  m.ctx,
		Appendable:               metrics,
		Queryable:                metrics,
		Logger:                   log,
		OutageTolerance:          time.Duration(m.cfg.ForOutageTolerance),
		ForGracePeriod:           time.Duration(m.cfg.ForGracePeriod),
		ResendDelay:              time.Duration(m.cfg.ResendDelay),
		GroupLoader:              e.loader,
		RestoreNewRuleGroups:     m.deps.Owns != nil,
		MaxConcurrentEvals:       m.cfg.MaxConcurrentEvals,
		ConcurrentEvalsEnabled:   m.cfg.MaxConcurrentEvals > 1,
		RuleDependencyController: dependencies,
		DefaultRuleQueryOffset:   func() time.Duration { return 0 },
		Metrics:                  m.groups,
		Parser:                   p,
	})
	return e, nil
}

// Close ends evaluation, sends what still waits for Alertmanagers, and returns
// when everything has ended.
func (m *Manager) Close() error {
	m.cancel()
	m.stopEvaluators()
	m.wg.Wait()
	m.notify.stop()
	return nil
}

// stopEvaluators lets a reload that is under way end first. Those behind it,
// such as one that watch waits for, find that the context has ended.
func (m *Manager) stopEvaluators() {
	m.reloading.Lock()
	defer m.reloading.Unlock()
	for _, e := range m.evals {
		e.manager.Stop()
	}
}

// Errors returns what is wrong with rule files and folders, by path.
func (m *Manager) Errors() map[string]error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.Clone(m.errs)
}

// Endpoints returns the Alertmanagers and how they have answered.
func (m *Manager) Endpoints() []Endpoint { return m.notify.list() }

// SetAlertmanagers tells others from now on. It is for after Start, and one
// caller at a time.
func (m *Manager) SetAlertmanagers(addresses []string) error { return m.notify.aim(addresses) }

// Switches are the circuit breakers of the Alertmanagers, by name.
func (m *Manager) Switches() map[string]guard.Switch { return m.notify.switches() }

// Alertmanagers returns the addresses to which alerts are sent.
func (m *Manager) Alertmanagers() []*url.URL { return m.notify.Alertmanagers() }

// DroppedAlertmanagers returns no addresses: none is ever dropped.
func (m *Manager) DroppedAlertmanagers() []*url.URL { return m.notify.DroppedAlertmanagers() }

// Rules returns the rules of a tenant as Prometheus's API shows them, none
// where m is nil because alerting is off.
func (m *Manager) Rules(tenant string) TenantRules { return TenantRules{m, tenant} }

// TenantRules are the rules of one tenant. It implements the RulesRetriever of
// Prometheus's API.
type TenantRules struct {
	manager *Manager
	tenant  string
}

// RuleGroups returns the groups, PromQL's first.
func (t TenantRules) RuleGroups() []*rules.Group {
	return collect(t, (*rules.Manager).RuleGroups)
}

// AlertingRules returns the alerting rules, PromQL's first.
func (t TenantRules) AlertingRules() []*rules.AlertingRule {
	return collect(t, (*rules.Manager).AlertingRules)
}

func collect[T any](t TenantRules, from func(*rules.Manager) []T) []T {
	if t.manager == nil {
		return nil // alerting is off
	}
	t.manager.mu.RLock()
	defer t.manager.mu.RUnlock()
	var all []T
	for _, k := range []kind{promQL, logQL} {
		if e := t.manager.evals[owner{t.tenant, k}]; e != nil {
			all = append(all, from(e.manager)...)
		}
	}
	return all
}

// joined returns the errors as one, in the order of their paths.
func joined(errs map[string]error) error {
	var all []error
	for _, path := range slices.Sorted(maps.Keys(errs)) {
		all = append(all, errs[path])
	}
	return errors.Join(all...)
}
