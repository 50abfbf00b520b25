// Package fake holds what the collector's tests share: a store for records
// that lives in memory and insists on its contract, and a clock.
package fake

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// Records is a storage.Writer that keeps everything in memory. It refuses a
// batch whose bytes do not decode to its records.
type Records struct {
	mu    sync.Mutex
	err   error
	seen  map[string]bool
	logs  map[string][]telemetry.Log
	spans map[string][]telemetry.Span
}

var compare = cmp.Options{
	cmp.Comparer(func(a, b *telemetry.Stream) bool { return a.ID == b.ID }),
	cmpopts.EquateEmpty(),
}

// Fail lets every later write fail with err; nil ends it.
func (r *Records) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *Records) begin(tenant string, raw []byte) (dup bool, err error) {
	if r.err != nil {
		return false, r.err
	}
	if r.seen == nil {
		r.seen, r.logs, r.spans = map[string]bool{}, map[string][]telemetry.Log{}, map[string][]telemetry.Span{}
	}
	key := tenant + "\x00" + string(raw)
	dup = r.seen[key]
	r.seen[key] = true
	return dup, nil
}

// WriteLogs implements storage.Writer.
func (r *Records) WriteLogs(_ context.Context, tenant string, b *telemetry.LogBatch) (storage.WriteResult, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	dup, err := r.begin(tenant, b.Raw)
	if err != nil || dup {
		return storage.WriteResult{Duplicate: dup}, err
	}
	again, err := otlp.DecodeLogs(b.Raw)
	if err != nil {
		return storage.WriteResult{}, fmt.Errorf("the batch's bytes: %w", err)
	}
	if diff := cmp.Diff(b.Logs, again.Logs, compare); diff != "" {
		return storage.WriteResult{}, fmt.Errorf("the batch's bytes hold something else: %s", diff)
	}
	r.logs[tenant] = append(r.logs[tenant], again.Logs...) // the batch's are the caller's
	return storage.WriteResult{}, nil
}

// WriteSpans implements storage.Writer.
func (r *Records) WriteSpans(_ context.Context, tenant string, b *telemetry.SpanBatch) (storage.WriteResult, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	dup, err := r.begin(tenant, b.Raw)
	if err != nil || dup {
		return storage.WriteResult{Duplicate: dup}, err
	}
	again, err := otlp.DecodeSpans(b.Raw)
	if err != nil {
		return storage.WriteResult{}, fmt.Errorf("the batch's bytes: %w", err)
	}
	if diff := cmp.Diff(b.Spans, again.Spans, compare); diff != "" {
		return storage.WriteResult{}, fmt.Errorf("the batch's bytes hold something else: %s", diff)
	}
	r.spans[tenant] = append(r.spans[tenant], again.Spans...)
	return storage.WriteResult{}, nil
}

// Logs returns what the anonymous tenant has.
func (r *Records) Logs() []telemetry.Log { return r.LogsOf(tenant.Anonymous) }

// LogsOf returns what a tenant has.
func (r *Records) LogsOf(tenant string) []telemetry.Log {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.logs[tenant]
}

// Spans returns what the anonymous tenant has.
func (r *Records) Spans() []telemetry.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spans[tenant.Anonymous]
}

// Clock is a clock that moves only when told. The zero Clock stands at
// 2026-01-02 03:04:05 UTC.
type Clock struct {
	mu  sync.Mutex
	off time.Duration
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(c.off)
}

// Move moves the clock by d.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}
