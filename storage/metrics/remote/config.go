package remote

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/internal/outbound"
)

// Config says where the store is, and what waits for it.
type Config struct {
	// Dir holds the write-ahead log.
	Dir string `yaml:"-"`
	// QueryURL is where the store's API begins: /api/v1/write, /api/v1/read and /api/v1/query_exemplars stand below it.
	QueryURL string `yaml:"query_url"`
	// WriteURL is where samples are sent, "" means below query_url.
	WriteURL string `yaml:"write_url"`
	// Credentials are how the store knows who calls. They are read again without a restart.
	Credentials `yaml:",inline"`
	// TenantHeader names a request header that tells the store the tenant, X-Scope-OrgID for one; "" means that it knows none.
	TenantHeader string `yaml:"tenant_header"`
	// TenantLabel is the label that tells tenants apart where there is no tenant_header.
	TenantLabel string `yaml:"tenant_label"`
	// RequestTimeout bounds one try of one request.
	RequestTimeout model.Duration `yaml:"request_timeout"`
	// Retries is how often a read that failed for a passing reason is tried again. Writes are tried until they are through.
	Retries int `yaml:"retries"`
	// RetryBackoff is the first pause between tries; it doubles, with jitter, up to RetryBackoffMax.
	RetryBackoff model.Duration `yaml:"retry_backoff"`
	// RetryBackoffMax is the longest pause between two tries.
	RetryBackoffMax model.Duration `yaml:"retry_backoff_max"`
	// RetryFor bounds the time that all tries of a read may take.
	RetryFor model.Duration `yaml:"retry_for"`
	// RetryBudget is which part of the reads under way may be further tries, so that they do not press a store that has too much to do.
	RetryBudget float64 `yaml:"retry_budget"`
	// QueryConcurrency is how many reads of queries may be under way at once; samples are sent beside them.
	QueryConcurrency uint `yaml:"query_concurrency"`
	// QueryWait is how long the next read waits for one of them to end.
	QueryWait model.Duration `yaml:"query_wait"`
	// BreakerFailures is how many of the last BreakerRequests must fail for the circuit breaker to open.
	BreakerFailures uint `yaml:"breaker_failures"`
	// BreakerRequests is how many requests the breaker looks back on.
	BreakerRequests uint `yaml:"breaker_requests"`
	// BreakerDelay is how long an open breaker refuses requests before it lets one through to try.
	BreakerDelay model.Duration `yaml:"breaker_delay"`
	// BatchBytes is about how much is sent with one request, before compression.
	BatchBytes int `yaml:"batch_bytes"`
	// WALBytes bounds what waits for the store; beyond it metrics are refused with 429.
	WALBytes int64 `yaml:"wal_bytes"`
	// WALFileBytes is the size of a file of the write-ahead log.
	WALFileBytes int64 `yaml:"wal_file_bytes"`
	// WALGroupBytes bounds what is written to the log with one call.
	WALGroupBytes int64 `yaml:"wal_group_bytes"`
	// MinFreeBytes is the room on the disk below which metrics are refused.
	MinFreeBytes int64 `yaml:"min_free_bytes"`
	// FreshWait is how long a read waits for what was acknowledged before it to reach the store.
	FreshWait model.Duration `yaml:"fresh_wait"`
	// MaxFuture is how far ahead of this process's clock a sample may be, 0 for no bound.
	MaxFuture model.Duration `yaml:"-"`
	// MaxResponseBytes bounds an answer of the HTTP API.
	MaxResponseBytes int64 `yaml:"max_response_bytes"`
	// MaxMetadataFamilies bounds the metric families of a tenant whose metadata is remembered.
	MaxMetadataFamilies int `yaml:"max_metadata_families"`
}

// Credentials are how the store knows who calls, and how it is known. Files are looked at with each request.
type Credentials struct {
	// Username and Password are for basic authentication.
	Username string `yaml:"username"`
	// Password belongs to Username.
	Password string `yaml:"password"`
	// PasswordFile is a file that holds the password, instead of it; what is put in its place holds at once.
	PasswordFile string `yaml:"password_file"`
	// Authorization is a whole Authorization header, used instead of user and password.
	Authorization string `yaml:"authorization"`
	// AuthorizationFile is a file that holds the header, instead of it; what is put in its place holds at once.
	AuthorizationFile string `yaml:"authorization_file"`
	// CAFile holds the certificates that the store's is checked with, in PEM; "" means the system's. What is put in its place holds at once.
	CAFile string `yaml:"ca_file"`
}

func (c Credentials) outbound() outbound.Credentials {
	return outbound.Credentials{
		Username: c.Username, Password: c.Password, PasswordFile: c.PasswordFile,
		Token: c.Authorization, TokenFile: c.AuthorizationFile, CAFile: c.CAFile,
	}
}

// DefaultConfig returns what is used where nothing else is configured.
func DefaultConfig() Config {
	return Config{
		QueryURL:            "http://127.0.0.1:9090",
		TenantLabel:         "clew_tenant",
		RequestTimeout:      model.Duration(30 * time.Second),
		Retries:             3,
		RetryBackoff:        model.Duration(100 * time.Millisecond),
		RetryBackoffMax:     model.Duration(5 * time.Second),
		RetryFor:            model.Duration(20 * time.Second),
		RetryBudget:         0.2,
		QueryConcurrency:    32,
		QueryWait:           model.Duration(10 * time.Second),
		BreakerFailures:     10,
		BreakerRequests:     20,
		BreakerDelay:        model.Duration(2 * time.Second),
		BatchBytes:          1 << 20,
		WALBytes:            4 << 30,
		WALFileBytes:        16 << 20,
		WALGroupBytes:       4 << 20,
		MinFreeBytes:        64 << 20,
		FreshWait:           model.Duration(time.Second),
		MaxFuture:           model.Duration(10 * time.Minute),
		MaxResponseBytes:    64 << 20,
		MaxMetadataFamilies: 50_000,
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
	check(isURL(c.QueryURL), "query_url: %q, want a URL such as http://127.0.0.1:9090", outbound.Redact(c.QueryURL))
	check(c.WriteURL == "" || isURL(c.WriteURL), "write_url: %q, want a URL such as http://127.0.0.1:9090/api/v1/write", outbound.Redact(c.WriteURL))
	check(c.Password+c.PasswordFile == "" || c.Username != "", "password or password_file is set without username")
	check(c.Password == "" || c.PasswordFile == "", "password and password_file are both set, want one of them")
	check(c.Authorization == "" || c.AuthorizationFile == "", "authorization and authorization_file are both set, want one of them")
	check(c.Authorization+c.AuthorizationFile == "" || c.Username == "", "authorization and username are both set, want one of them")
	check(c.TenantHeader != "" || model.LegacyValidation.IsValidLabelName(c.TenantLabel), "tenant_label: %q, want the name of a label, or a tenant_header", c.TenantLabel)
	check(c.RequestTimeout > 0, "request_timeout: %s, want more than 0", c.RequestTimeout)
	check(c.Retries >= 0, "retries: %d, want 0 or more", c.Retries)
	check(c.RetryBackoff > 0, "retry_backoff: %s, want more than 0", c.RetryBackoff)
	check(c.RetryBackoffMax > c.RetryBackoff, "retry_backoff_max: %s, want more than retry_backoff (%s)", c.RetryBackoffMax, c.RetryBackoff)
	check(c.RetryFor > 0, "retry_for: %s, want more than 0", c.RetryFor)
	check(c.RetryBudget > 0 && c.RetryBudget <= 1, "retry_budget: %v, want more than 0 and at most 1", c.RetryBudget)
	check(c.QueryConcurrency > 0, "query_concurrency: %d, want 1 or more", c.QueryConcurrency)
	check(c.QueryWait > 0, "query_wait: %s, want more than 0", c.QueryWait)
	check(c.BreakerFailures > 0, "breaker_failures: %d, want more than 0", c.BreakerFailures)
	check(c.BreakerRequests >= c.BreakerFailures, "breaker_requests: %d, want at least breaker_failures (%d)", c.BreakerRequests, c.BreakerFailures)
	check(c.BreakerDelay > 0, "breaker_delay: %s, want more than 0", c.BreakerDelay)
	check(c.BatchBytes > 0, "batch_bytes: %d, want more than 0", c.BatchBytes)
	check(c.WALBytes > 0, "wal_bytes: %d, want more than 0", c.WALBytes)
	check(c.WALFileBytes > 0, "wal_file_bytes: %d, want more than 0", c.WALFileBytes)
	check(c.WALGroupBytes > 0, "wal_group_bytes: %d, want more than 0", c.WALGroupBytes)
	check(c.MinFreeBytes >= 0, "min_free_bytes: %d, want 0 or more", c.MinFreeBytes)
	check(c.FreshWait >= 0, "fresh_wait: %s, want 0 or more", c.FreshWait)
	check(c.MaxFuture >= 0, "max_future: %s, want 0 or more", c.MaxFuture)
	check(c.MaxResponseBytes > 0, "max_response_bytes: %d, want more than 0", c.MaxResponseBytes)
	check(c.MaxMetadataFamilies > 0, "max_metadata_families: %d, want more than 0", c.MaxMetadataFamilies)
	return errors.Join(errs...)
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
