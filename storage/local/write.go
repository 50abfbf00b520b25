package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/dedup"
	"github.com/clewhq/clew/storage/local/head"
	"github.com/clewhq/clew/storage/local/wal"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// WriteLogs implements storage.Writer.
func (s *Store) WriteLogs(ctx context.Context, tenant string, b *telemetry.LogBatch) (storage.WriteResult, error) {
	if len(b.Raw) == 0 && len(b.Logs) > 0 {
		var err error
		if b, err = otlp.DecodeLogs(otlp.AppendLogs(nil, b.Logs)); err != nil {
			return storage.WriteResult{}, err
		}
	}
	return write(ctx, s, s.logs, tenant, b.Raw, b.Logs)
}

// WriteSpans implements storage.Writer.
func (s *Store) WriteSpans(ctx context.Context, tenant string, b *telemetry.SpanBatch) (storage.WriteResult, error) {
	if len(b.Raw) == 0 && len(b.Spans) > 0 {
		var err error
		if b, err = otlp.DecodeSpans(otlp.AppendSpans(nil, b.Spans)); err != nil {
			return storage.WriteResult{}, err
		}
	}
	return write(ctx, s, s.spans, tenant, b.Raw, b.Spans)
}

// write is the way in: check for a duplicate, write ahead, wait for the fsync,
// put into the head, acknowledge. The log's committer does the middle.
func write[T any](ctx context.Context, s *Store, sig *signal[T], name string, raw []byte, rows []T) (storage.WriteResult, error) {
	if len(rows) == 0 {
		return storage.WriteResult{}, nil
	}
	leave, err := s.enter()
	if err != nil {
		return storage.WriteResult{}, err
	}
	defer leave()
	if err := tenant.Check(name); err != nil {
		return storage.WriteResult{}, err
	}
	received := s.deps.Now().UnixNano()
	flight, duplicate, err := s.dedup.Announce(ctx, dedup.HashOf(name, sig.kind.Signal, raw), received)
	if err == nil && duplicate {
		s.metrics.duplicates.WithLabelValues(string(sig.kind.Signal)).Inc()
		return storage.WriteResult{Duplicate: true}, nil
	}
	if err == nil {
		rec := wal.Record{Type: sig.walType, Received: received, Tenant: name, Data: raw}
		err = writeAhead(ctx, s, sig, rec, rows, flight)
	}
	if err != nil {
		s.metrics.refused.WithLabelValues(string(sig.kind.Signal), reason(err)).Inc()
		return storage.WriteResult{}, err
	}
	return storage.WriteResult{}, nil
}

// writeAhead takes the batch from here to its acknowledgement. It or the
// committer ends the flight, exactly once.
func writeAhead[T any](ctx context.Context, s *Store, sig *signal[T], rec wal.Record, rows []T, flight *dedup.Flight) error {
	n := len(rows) // rows are the caller's when it has its answer, which may be before the log's
	bytes := estimate(rec.Data, n)
	if err := s.admit(ctx, bytes); err != nil {
		flight.End(rec.Received, err)
		return err
	}
	run, err := head.NewRun(sig.kind, rec.Data, rows)
	if err != nil {
		s.budget.give(bytes)
		flight.End(rec.Received, err)
		return err
	}
	s.budget.force(run.Bytes - bytes)
	bytes = run.Bytes
	outcome := make(chan error, 1)
	err = s.wal.Append(ctx, rec, func(_ wal.Position, err error) {
		if err = s.disk.wrote(err); err == nil {
			insert(s, sig, rec.Tenant, run)
			s.metrics.acknowledged(sig.kind.Signal, n)
		} else {
			s.budget.give(bytes)
		}
		flight.End(rec.Received, err)
		outcome <- err
	})
	if err != nil {
		s.budget.give(bytes)
		flight.End(rec.Received, err)
		if errors.Is(err, wal.ErrClosed) {
			return storage.ErrClosed
		}
		return err
	}
	select {
	case err = <-outcome:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.flushIfBig()
	return err
}

// admit checks the disk and reserves memory; it waits a little for a flush to
// give some back.
func (s *Store) admit(ctx context.Context, bytes int64) error {
	if err := s.disk.room(); err != nil {
		return err
	}
	if ok, _ := s.budget.take(bytes); ok {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, time.Duration(s.cfg.WriteWait))
	defer cancel()
	if s.budget.wait(wait, bytes, s.kickFlush) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.disk.refusal(); err != nil {
		return err
	}
	return fmt.Errorf("%w: head_bytes is %d, and flushing did not make room for %d within %s",
		storage.ErrOverloaded, s.cfg.HeadBytes, bytes, s.cfg.WriteWait)
}

// rowOverhead is what a row takes beside its share of the request, roughly.
const rowOverhead = 120

// estimate is about what a batch will take in the head: it must be known
// before the work is done that tells it exactly.
func estimate(raw []byte, rows int) int64 { return int64(len(raw)) + int64(rows)*rowOverhead }

// reason is the label of a refused batch.
func reason(err error) string {
	switch {
	case errors.Is(err, storage.ErrDiskFull):
		return "disk_full"
	case errors.Is(err, storage.ErrOverloaded):
		return "overloaded"
	case errors.Is(err, storage.ErrClosed):
		return "closed"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "context"
	}
	return "error"
}
