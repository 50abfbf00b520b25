package alert

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Config says which rules are evaluated and who is told.
type Config struct {
	// RulesDir holds the rule files. A folder that is not there is an empty one.
	RulesDir string `yaml:"rules_dir"`
	// AllowEdits lets LogQL rules be changed over Loki's API, which writes
	// their files.
	AllowEdits bool `yaml:"allow_edits"`
	// Alertmanagers are the addresses of Alertmanagers, all of which are told.
	Alertmanagers []string `yaml:"alertmanagers"`
	// ExternalLabels are put on every alert, to tell this server from others.
	ExternalLabels map[string]string `yaml:"external_labels"`
	// ExternalURL is where people reach this server; links in alerts start
	// with it.
	ExternalURL string `yaml:"external_url"`
	// EvaluationInterval is how often groups are evaluated that say nothing.
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	// ReloadInterval is how often the rules folder is looked at for changes.
	ReloadInterval model.Duration `yaml:"reload_interval"`
	// MaxConcurrentEvals is how many rules of a tenant that do not depend on
	// each other are evaluated at once.
	MaxConcurrentEvals int64 `yaml:"max_concurrent_evals"`
	// ResendDelay is how long to wait before a firing alert is sent again.
	ResendDelay model.Duration `yaml:"resend_delay"`
	// ForOutageTolerance is how long the server may have been away for the
	// state of alerts with a "for" still to be restored.
	ForOutageTolerance model.Duration `yaml:"for_outage_tolerance"`
	// ForGracePeriod is how long an alert that was not firing yet is held at least
	// after a restart, or after another ruler took it over, before it fires.
	// Alerts with a shorter "for" are not restored and wait for all of it again:
	// longer than four of ResendDelay, and Alertmanager takes them for resolved
	// meanwhile.
	ForGracePeriod model.Duration `yaml:"for_grace_period"`
	// QueueCapacity is how many alerts wait for each Alertmanager; the oldest
	// are dropped.
	QueueCapacity int `yaml:"queue_capacity"`
	// SendTimeout ends one try of a request to an Alertmanager.
	SendTimeout model.Duration `yaml:"send_timeout"`
	// Retries is how often alerts that an Alertmanager did not take are sent
	// again at once. Those that fire still are sent again after ResendDelay in
	// any case.
	Retries int `yaml:"retries"`
	// RetryBackoff is the first pause between tries; it doubles, with jitter, up
	// to RetryBackoffMax.
	RetryBackoff model.Duration `yaml:"retry_backoff"`
	// RetryBackoffMax is the longest pause between two tries.
	RetryBackoffMax model.Duration `yaml:"retry_backoff_max"`
	// RetryFor bounds all tries together.
	RetryFor model.Duration `yaml:"retry_for"`
	// BreakerFailures is how many of the last BreakerRequests to an Alertmanager
	// must fail for its circuit breaker to open.
	BreakerFailures uint `yaml:"breaker_failures"`
	// BreakerRequests is how many requests the breaker looks back on.
	BreakerRequests uint `yaml:"breaker_requests"`
	// BreakerDelay is how long an open breaker refuses requests before it lets
	// one through to try.
	BreakerDelay model.Duration `yaml:"breaker_delay"`
}

// DefaultConfig returns Prometheus's own timing, with faster evaluation, and
// state restored of shorter alerts: rulers take groups over from each other
// whenever one is started again.
func DefaultConfig() Config {
	return Config{
		RulesDir:           "./rules",
		AllowEdits:         true,
		ExternalURL:        "http://127.0.0.1:2539",
		EvaluationInterval: model.Duration(30 * time.Second),
		ReloadInterval:     model.Duration(5 * time.Second),
		MaxConcurrentEvals: 4,
		ResendDelay:        model.Duration(time.Minute),
		ForOutageTolerance: model.Duration(time.Hour),
		ForGracePeriod:     model.Duration(time.Minute),
		QueueCapacity:      10_000,
		SendTimeout:        model.Duration(10 * time.Second),
		Retries:            3,
		RetryBackoff:       model.Duration(200 * time.Millisecond),
		RetryBackoffMax:    model.Duration(5 * time.Second),
		RetryFor:           model.Duration(20 * time.Second),
		BreakerFailures:    8,
		BreakerRequests:    16,
		BreakerDelay:       model.Duration(5 * time.Second),
	}
}

// Validate says what is wrong with the configuration and what would be right.
func (c Config) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for i, address := range c.Alertmanagers {
		bad(!isHTTP(address), "alertmanagers[%d]: want an address like http://127.0.0.1:9093, got %q", i, address)
	}
	bad(!isHTTP(c.ExternalURL), "external_url: want an address like http://127.0.0.1:2539, got %q", c.ExternalURL)
	for name := range c.ExternalLabels {
		bad(!model.UTF8Validation.IsValidLabelName(name), "external_labels: %q cannot be the name of a label", name)
	}
	bad(time.Duration(c.EvaluationInterval) < time.Second, "evaluation_interval: want at least 1s, got %s", c.EvaluationInterval)
	bad(c.ReloadInterval <= 0, "reload_interval: want more than 0s, got %s", c.ReloadInterval)
	bad(c.MaxConcurrentEvals < 1, "max_concurrent_evals: want 1 or more, got %d", c.MaxConcurrentEvals)
	bad(c.ResendDelay < 0, "resend_delay: want 0s or more, got %s", c.ResendDelay)
	bad(c.ForOutageTolerance < 0, "for_outage_tolerance: want 0s or more, got %s", c.ForOutageTolerance)
	bad(c.ForGracePeriod < 0, "for_grace_period: want 0s or more, got %s", c.ForGracePeriod)
	bad(c.QueueCapacity < 1, "queue_capacity: want 1 or more, got %d", c.QueueCapacity)
	bad(c.SendTimeout <= 0, "send_timeout: want more than 0s, got %s", c.SendTimeout)
	bad(c.Retries < 0, "retries: want 0 or more, got %d", c.Retries)
	bad(c.RetryBackoff <= 0, "retry_backoff: want more than 0s, got %s", c.RetryBackoff)
	bad(c.RetryBackoffMax <= c.RetryBackoff, "retry_backoff_max: want more than retry_backoff (%s), got %s", c.RetryBackoff, c.RetryBackoffMax)
	bad(c.RetryFor <= 0, "retry_for: want more than 0s, got %s", c.RetryFor)
	bad(c.BreakerFailures < 1, "breaker_failures: want 1 or more, got %d", c.BreakerFailures)
	bad(c.BreakerRequests < c.BreakerFailures, "breaker_requests: want at least breaker_failures (%d), got %d", c.BreakerFailures, c.BreakerRequests)
	bad(c.BreakerDelay <= 0, "breaker_delay: want more than 0s, got %s", c.BreakerDelay)
	return errors.Join(errs...)
}

func isHTTP(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && slices.Contains([]string{"http", "https"}, u.Scheme)
}

func (c Config) externalLabels() labels.Labels { return labels.FromMap(c.ExternalLabels) }
