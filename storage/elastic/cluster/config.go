package cluster

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/internal/outbound"
)

// Config says where the cluster is and how patiently it is called.
type Config struct {
	// Addresses are the nodes' URLs; requests go to them in turn.
	Addresses []string `yaml:"addresses"`
	// Credentials are how the nodes know who calls. They are read again without a restart.
	Credentials `yaml:",inline"`
	// RequestTimeout bounds one try of one request.
	RequestTimeout model.Duration `yaml:"request_timeout"`
	// Retries is how often a request that failed for a passing reason is sent again.
	Retries int `yaml:"retries"`
	// RetryBackoff is the first pause between tries; it doubles, with jitter, up to RetryBackoffMax.
	RetryBackoff model.Duration `yaml:"retry_backoff"`
	// RetryBackoffMax is the longest pause between two tries.
	RetryBackoffMax model.Duration `yaml:"retry_backoff_max"`
	// RetryFor bounds all tries of a request together.
	RetryFor model.Duration `yaml:"retry_for"`
	// RetryBudget is which part of the requests under way may be retries, so that retries never make an overload worse.
	RetryBudget float64 `yaml:"retry_budget"`
	// NodeDelay is how long a node that did not answer is left out while others are there; it doubles with each failure, up to sixteen times.
	NodeDelay model.Duration `yaml:"node_delay"`
	// BreakerFailures is how many of the last BreakerRequests must fail for the circuit breaker to open.
	BreakerFailures uint `yaml:"breaker_failures"`
	// BreakerRequests is how many requests the breaker looks back on.
	BreakerRequests uint `yaml:"breaker_requests"`
	// BreakerDelay is how long an open breaker refuses requests before it lets one through to try.
	BreakerDelay model.Duration `yaml:"breaker_delay"`
	// QueryConcurrency is how many requests of queries are under way at most; what is written has its own bound, bulk_concurrency.
	QueryConcurrency uint `yaml:"query_concurrency"`
	// QueryWait is how long a request of a query waits for the others before it is refused.
	QueryWait model.Duration `yaml:"query_wait"`
}

// Credentials are how the nodes know who calls, and how they are known. Files are looked at with each request.
type Credentials struct {
	// Username and Password are for basic authentication.
	Username string `yaml:"username"`
	// Password belongs to Username.
	Password string `yaml:"password"`
	// PasswordFile is a file that holds the password, instead of it; what is put in its place holds at once.
	PasswordFile string `yaml:"password_file"`
	// APIKey is used instead of user and password: the encoded form that Elasticsearch gives.
	APIKey string `yaml:"api_key"`
	// APIKeyFile is a file that holds the API key, instead of it; what is put in its place holds at once.
	APIKeyFile string `yaml:"api_key_file"`
	// CAFile holds the certificates that the nodes' are checked with, in PEM; "" means the system's. What is put in its place holds at once.
	CAFile string `yaml:"ca_file"`
}

func (c Credentials) outbound() outbound.Credentials {
	out := outbound.Credentials{
		Username: c.Username, Password: c.Password, PasswordFile: c.PasswordFile,
		Token: c.APIKey, TokenFile: c.APIKeyFile, CAFile: c.CAFile,
	}
	if c.APIKey+c.APIKeyFile != "" {
		out.Scheme = "ApiKey"
	}
	return out
}

// DefaultConfig returns what is used where nothing else is configured.
func DefaultConfig() Config {
	return Config{
		Addresses:        []string{"http://127.0.0.1:9200"},
		RequestTimeout:   model.Duration(30 * time.Second),
		Retries:          4,
		RetryBackoff:     model.Duration(100 * time.Millisecond),
		RetryBackoffMax:  model.Duration(5 * time.Second),
		RetryFor:         model.Duration(time.Minute),
		RetryBudget:      0.5,
		NodeDelay:        model.Duration(time.Second),
		BreakerFailures:  10,
		BreakerRequests:  20,
		BreakerDelay:     model.Duration(2 * time.Second),
		QueryConcurrency: 16,
		QueryWait:        model.Duration(30 * time.Second),
	}
}

// Validate says what is wrong, all of it at once.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(len(c.Addresses) > 0, "addresses: empty, want at least one URL such as http://127.0.0.1:9200")
	for _, a := range c.Addresses {
		u, err := url.Parse(a)
		good := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
		check(good, "addresses: %q, want a URL such as http://127.0.0.1:9200", outbound.Redact(a))
	}
	check(c.Password+c.PasswordFile == "" || c.Username != "", "password or password_file is set without username")
	check(c.Password == "" || c.PasswordFile == "", "password and password_file are both set, want one of them")
	check(c.APIKey == "" || c.APIKeyFile == "", "api_key and api_key_file are both set, want one of them")
	check(c.RequestTimeout > 0, "request_timeout: %s, want more than 0", c.RequestTimeout)
	check(c.Retries >= 0, "retries: %d, want 0 or more", c.Retries)
	check(c.RetryBackoff > 0, "retry_backoff: %s, want more than 0", c.RetryBackoff)
	check(c.RetryBackoffMax > c.RetryBackoff, "retry_backoff_max: %s, want more than retry_backoff (%s)", c.RetryBackoffMax, c.RetryBackoff)
	check(c.RetryFor > 0, "retry_for: %s, want more than 0", c.RetryFor)
	check(c.RetryBudget > 0 && c.RetryBudget <= 1, "retry_budget: %g, want more than 0, 1 at most", c.RetryBudget)
	check(c.NodeDelay > 0, "node_delay: %s, want more than 0", c.NodeDelay)
	check(c.BreakerFailures > 0, "breaker_failures: %d, want more than 0", c.BreakerFailures)
	check(c.BreakerRequests >= c.BreakerFailures, "breaker_requests: %d, want at least breaker_failures (%d)", c.BreakerRequests, c.BreakerFailures)
	check(c.BreakerDelay > 0, "breaker_delay: %s, want more than 0", c.BreakerDelay)
	check(c.QueryConcurrency > 0, "query_concurrency: %d, want 1 or more", c.QueryConcurrency)
	check(c.QueryWait >= 0, "query_wait: %s, want 0 or more", c.QueryWait)
	return errors.Join(errs...)
}
