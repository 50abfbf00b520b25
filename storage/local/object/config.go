package object

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// The kinds of object storage.
const (
	KindNone      = "none"
	KindS3        = "s3"
	KindDirectory = "directory"
)

// Config says where objects are, and what requests may take.
type Config struct {
	// Kind is none, s3 or directory.
	Kind string `yaml:"kind"`
	// S3 is a bucket that is spoken to with the S3 API.
	S3 S3 `yaml:"s3"`
	// Directory is where a plain directory is, such as one of a network file
	// system.
	Directory string `yaml:"directory"`
	// MoveAfter is how long after its end a day moves there.
	MoveAfter model.Duration `yaml:"move_after"`
	// CacheBytes bounds what is kept on the local disk of what was read,
	// without indexes; what was not used for longest goes.
	CacheBytes int64 `yaml:"cache_bytes"`
	// ChunkBytes is what is read and kept at once; ReadAheadBytes what is, at
	// most, where an object is read from front to back.
	ChunkBytes     int64 `yaml:"chunk_bytes"`
	ReadAheadBytes int64 `yaml:"read_ahead_bytes"`
	// Timeout is how long a request may take; an upload or a long read longer by
	// its size at SlowestBytesPerSecond.
	Timeout               model.Duration `yaml:"timeout"`
	SlowestBytesPerSecond int64          `yaml:"slowest_bytes_per_second"`
	// Attempts is how often a request is made before it counts as failed,
	// Backoff how long it waits before the second, and twice as long each time
	// up to MaxBackoff, with jitter.
	Attempts   int            `yaml:"attempts"`
	Backoff    model.Duration `yaml:"backoff"`
	MaxBackoff model.Duration `yaml:"max_backoff"`
	// BreakerFailures is how many failures in a row open the circuit breaker:
	// then nothing is asked, and everything fails at once, for BreakerDelay.
	BreakerFailures int            `yaml:"breaker_failures"`
	BreakerDelay    model.Duration `yaml:"breaker_delay"`
	// Requests is how many are made at once.
	Requests int `yaml:"requests"`
}

// S3 is a bucket.
type S3 struct {
	// Endpoint is where the server is, such as https://s3.eu-central-1.amazonaws.com.
	Endpoint string `yaml:"endpoint"`
	// Bucket must exist; Prefix is what keys begin with. Each store needs one
	// of its own.
	Bucket string `yaml:"bucket"`
	Prefix string `yaml:"prefix"`
	// Region is the bucket's; empty is asked for.
	Region string `yaml:"region"`
	// PathStyle puts the bucket into the path of the URL, not into the host's
	// name: MinIO, Ceph and others want that.
	PathStyle bool `yaml:"path_style"`
	// AccessKey and SecretKey are the credentials, or ${VAR}. Without them
	// those of the environment count: AWS_ACCESS_KEY_ID, the shared file, or
	// the role of the machine or pod.
	AccessKey string `yaml:"access_key"`
	SecretKey string `yaml:"secret_key"`
	// SecretKeyFile is a file that holds the secret key, instead of it.
	SecretKeyFile string `yaml:"secret_key_file"`
	// CAFile verifies the server's certificate.
	CAFile string `yaml:"ca_file"`
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// DefaultConfig returns what is used where nothing else is configured: no
// object storage.
func DefaultConfig() Config {
	return Config{
		Kind:                  KindNone,
		MoveAfter:             model.Duration(48 * time.Hour),
		CacheBytes:            4096 * mib,
		ChunkBytes:            256 * kib,
		ReadAheadBytes:        4 * mib,
		Timeout:               model.Duration(5 * time.Second),
		SlowestBytesPerSecond: mib,
		Attempts:              3,
		Backoff:               model.Duration(100 * time.Millisecond),
		MaxBackoff:            model.Duration(3 * time.Second),
		BreakerFailures:       5,
		BreakerDelay:          model.Duration(15 * time.Second),
		Requests:              16,
		S3:                    S3{Prefix: "clew"},
	}
}

// On reports whether there is object storage.
func (c *Config) On() bool { return c.Kind == KindS3 || c.Kind == KindDirectory }

// Validate says what is wrong, all of it at once.
func (c *Config) Validate() error { return errors.Join(c.Check()...) }

// Check is Validate, one error for each thing that is wrong. They begin with
// the key.
func (c *Config) Check() (errs []error) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	switch c.Kind {
	case KindNone, "":
	case KindS3:
		errs = append(errs, c.S3.validate()...)
	case KindDirectory:
		check(c.Directory != "", "directory: empty, want the path of a directory")
	default:
		check(false, "kind: %q, want %s, %s or %s", c.Kind, KindNone, KindS3, KindDirectory)
	}
	check(c.MoveAfter >= 0, "move_after: %s, want 0 or more", c.MoveAfter)
	check(c.CacheBytes >= 0, "cache_bytes: %d, want 0 (no cache) or more", c.CacheBytes)
	check(c.ChunkBytes >= kib && c.ChunkBytes <= 64*mib, "chunk_bytes: %d, want %d to %d", c.ChunkBytes, kib, 64*mib)
	check(c.ReadAheadBytes >= 0, "read_ahead_bytes: %d, want 0 (none) or more", c.ReadAheadBytes)
	check(c.Timeout > 0, "timeout: %s, want more than 0", c.Timeout)
	check(c.SlowestBytesPerSecond > 0, "slowest_bytes_per_second: %d, want more than 0", c.SlowestBytesPerSecond)
	check(c.Attempts >= 1, "attempts: %d, want 1 or more", c.Attempts)
	check(c.Backoff > 0, "backoff: %s, want more than 0", c.Backoff)
	check(c.MaxBackoff > c.Backoff, "max_backoff: %s, want more than backoff (%s)", c.MaxBackoff, c.Backoff)
	check(c.BreakerFailures >= 1, "breaker_failures: %d, want 1 or more", c.BreakerFailures)
	check(c.BreakerDelay > 0, "breaker_delay: %s, want more than 0", c.BreakerDelay)
	check(c.Requests >= 1, "requests: %d, want 1 or more", c.Requests)
	return errs
}

func (s *S3) validate() (errs []error) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("s3."+format, args...))
		}
	}
	u, err := url.Parse(s.Endpoint)
	check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.Trim(u.Path, "/") == "" && u.User == nil,
		"endpoint: %q, want the URL of a server without a path, such as https://s3.eu-central-1.amazonaws.com", s.Endpoint)
	check(s.Bucket != "", "bucket: empty, want the name of a bucket that exists")
	check(!strings.Contains(s.Bucket, "/"), "bucket: %q, want a name without slashes; a path in it is the prefix", s.Bucket)
	check(!strings.HasPrefix(s.Prefix, "/"), "prefix: %q, want one that does not begin with a slash", s.Prefix)
	check(s.SecretKey == "" || s.SecretKeyFile == "", "secret_key and secret_key_file: both are given, want one")
	check((s.AccessKey == "") == (s.SecretKey == "" && s.SecretKeyFile == ""),
		"access_key and secret_key (or secret_key_file): one is given, want both, or none for the environment's")
	return errs
}
