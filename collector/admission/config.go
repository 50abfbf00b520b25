package admission

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Config holds the rules of admission.
type Config struct {
	// MaxFuture is how far ahead of the server's clock a record's time may be.
	// Clocks drift by minutes; a time zone taken for UTC is hours off, and
	// would stand at the end of every query for as long.
	MaxFuture model.Duration `yaml:"max_future"`
	// MaxAge is how old a record may be, by signal; 0 takes any age. The server
	// sets it to the retention: what is older would be dropped at once.
	MaxAge MaxAge `yaml:"-"`
	// MaxAttributes is how many attributes a record, its resource and its
	// scope may have each.
	MaxAttributes int `yaml:"max_attributes"`
	// MaxRecordBytes is how large one record may be: body, name, attributes,
	// events and links.
	MaxRecordBytes int `yaml:"max_record_bytes"`
	// JoinTraceContext gives a log record that came without a trace ID the one
	// that its attributes or its text name, and notes where it stood in the
	// attribute clew.trace.source.
	JoinTraceContext bool `yaml:"join_trace_context"`
	// Limits holds for every tenant that has none of its own. The server has a
	// section for them.
	Limits Limits `yaml:"-"`
	// InFlightBytes bounds the memory of the requests that are being read,
	// decoded and written: their bytes, and twice as much for their records.
	// One for which there is no room waits for up to InFlightWait, then is
	// answered 429.
	InFlightBytes int64          `yaml:"in_flight_bytes"`
	InFlightWait  model.Duration `yaml:"in_flight_wait"`
	// RetryAfter is when a client that was refused for a passing reason is
	// asked to come again.
	RetryAfter model.Duration `yaml:"retry_after"`
	// RetryWindow is how soon the same bytes must come again to be taken for
	// a retry where they hold no times of their own.
	RetryWindow model.Duration `yaml:"retry_window"`
	// OriginWindow is how long a line that says where it stood in its file is
	// remembered, so that it is not stored twice when an agent sends it again
	// in another request; OriginRecords is how many lines are at most, 0 none.
	OriginWindow  model.Duration `yaml:"origin_window"`
	OriginRecords int            `yaml:"origin_records"`
}

// MaxAge is how old records may be; 0 means any age.
type MaxAge struct {
	// Logs, Traces and Metrics say it for each signal; 0 means any age.
	Logs    model.Duration `yaml:"logs"`
	Traces  model.Duration `yaml:"traces"`
	Metrics model.Duration `yaml:"metrics"`
}

// Limits bounds what one tenant may send; 0 means no limit.
type Limits struct {
	// RecordsPerSecond and BytesPerSecond are what may come on average.
	RecordsPerSecond float64 `yaml:"records_per_second"`
	BytesPerSecond   float64 `yaml:"bytes_per_second"`
	// BurstSeconds is how many seconds' worth may come at once.
	BurstSeconds float64 `yaml:"burst_seconds"`
}

// DefaultConfig returns the rules that hold where nothing else is said.
func DefaultConfig() Config {
	const day = 24 * time.Hour
	return Config{
		MaxFuture: model.Duration(time.Hour),
		MaxAge: MaxAge{
			Logs: model.Duration(30 * day), Traces: model.Duration(14 * day), Metrics: model.Duration(90 * day),
		},
		MaxAttributes:    256,
		MaxRecordBytes:   1 << 20,
		JoinTraceContext: true,
		Limits:           Limits{BurstSeconds: 10},
		InFlightBytes:    96 << 20,
		InFlightWait:     model.Duration(2 * time.Second),
		RetryAfter:       model.Duration(5 * time.Second),
		RetryWindow:      model.Duration(30 * time.Second),
		OriginWindow:     model.Duration(10 * time.Minute),
		OriginRecords:    200_000,
	}
}

// Validate says what is wrong with c, all of it.
func (c *Config) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(c.MaxFuture <= 0, "max_future: %s, want more than 0", c.MaxFuture)
	bad(c.MaxAge.Logs < 0 || c.MaxAge.Traces < 0 || c.MaxAge.Metrics < 0, "max_age: want 0 (any age) or more")
	bad(c.MaxAttributes <= 0, "max_attributes: %d, want at least 1", c.MaxAttributes)
	bad(c.MaxRecordBytes <= 0, "max_record_bytes: %d, want at least 1", c.MaxRecordBytes)
	bad(c.RetryWindow < 0, "retry_window: %s, want 0 or more", c.RetryWindow)
	bad(c.OriginWindow < 0 || c.OriginRecords < 0, "origin_window %s, origin_records %d: want 0 or more", c.OriginWindow, c.OriginRecords)
	bad(c.InFlightBytes <= 0, "in_flight_bytes: %d, want at least 1", c.InFlightBytes)
	bad(c.InFlightWait < 0, "in_flight_wait: %s, want 0 or more", c.InFlightWait)
	bad(c.RetryAfter <= 0, "retry_after: %s, want more than 0", c.RetryAfter)
	errs = append(errs, c.Limits.Validate())
	return errors.Join(errs...)
}

// Validate says what is wrong with l.
func (l *Limits) Validate() error {
	if l.RecordsPerSecond < 0 || l.BytesPerSecond < 0 {
		return fmt.Errorf("limits: records_per_second %g and bytes_per_second %g, want 0 (no limit) or more",
			l.RecordsPerSecond, l.BytesPerSecond)
	}
	if (l.RecordsPerSecond > 0 || l.BytesPerSecond > 0) && l.BurstSeconds <= 0 {
		return fmt.Errorf("limits: burst_seconds %g, want more than 0 where there is a limit", l.BurstSeconds)
	}
	return nil
}
