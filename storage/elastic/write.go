package elastic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/dedup"
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
	return s.write(ctx, telemetry.Logs, wal.Logs, tenant, b.Raw, len(b.Logs), func(into *batch, h dedup.Hash, received int64) {
		s.addLogs(into, tenant, h, received, b.Logs)
	})
}

// WriteSpans implements storage.Writer.
func (s *Store) WriteSpans(ctx context.Context, tenant string, b *telemetry.SpanBatch) (storage.WriteResult, error) {
	if len(b.Raw) == 0 && len(b.Spans) > 0 {
		var err error
		if b, err = otlp.DecodeSpans(otlp.AppendSpans(nil, b.Spans)); err != nil {
			return storage.WriteResult{}, err
		}
	}
	return s.write(ctx, telemetry.Traces, wal.Traces, tenant, b.Raw, len(b.Spans), func(into *batch, h dedup.Hash, received int64) {
		s.addSpans(into, tenant, h, received, b.Spans)
	})
}

// write is the way in: check for a duplicate, make it durable, acknowledge.
func (s *Store) write(ctx context.Context, sig telemetry.Signal, typ wal.Type, tenant string, raw []byte, rows int, add func(*batch, dedup.Hash, int64)) (storage.WriteResult, error) {
	if rows == 0 {
		return storage.WriteResult{}, nil
	}
	leave, err := s.enter()
	if err != nil {
		return storage.WriteResult{}, err
	}
	defer leave()
	if err := s.names.check(tenant); err != nil {
		return storage.WriteResult{}, err
	}
	hash := dedup.HashOf(tenant, sig, raw)
	received := s.deps.Now().UnixNano()
	flight, duplicate, err := s.dedup.Announce(ctx, hash, received)
	if duplicate {
		s.metrics.duplicates.WithLabelValues(string(sig)).Inc()
		return storage.WriteResult{Duplicate: true}, nil
	}
	if err == nil {
		if s.queue != nil {
			err = s.queue.append(ctx, wal.Record{Type: typ, Received: received, Tenant: tenant, Data: raw}, flight)
		} else {
			var b batch
			add(&b, hash, received)
			err = s.direct(ctx, owner{tenant, sig}, b.items)
			flight.End(received, err)
		}
	}
	if err != nil {
		s.metrics.refused.WithLabelValues(string(sig), reason(err)).Inc()
		return storage.WriteResult{}, err
	}
	s.metrics.acknowledged.WithLabelValues(string(sig)).Add(float64(rows))
	return storage.WriteResult{}, nil
}

// direct writes a request that Elasticsearch acknowledges. It has to wait for
// a place among the bulk requests, as the drain of the log does.
func (s *Store) direct(ctx context.Context, o owner, items []item) error {
	if err := s.parking.try(o); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, time.Duration(s.cfg.RetryFor))
	defer cancel()
	if err := s.flow.Acquire(wait); err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("%w: as many bulk requests as storage.elasticsearch.bulk_concurrency allows are under way, and none has ended within retry_for", storage.ErrOverloaded)
		}
		return err
	}
	defer s.flow.Release()
	refused, err := s.bulk(ctx, delivery{items: items})
	if err != nil {
		return err
	}
	return s.parking.tried(o, refused[o])
}

// decode adds the documents of a request that was read from the log.
func (s *Store) decode(to *batch, rec wal.Record) error {
	decoder := otlp.NewDecoder()
	defer decoder.Release() // documents have all in memory of their own
	switch rec.Type {
	case wal.Logs:
		b, _, err := decoder.Logs(rec.Data)
		if err != nil {
			return err
		}
		s.addLogs(to, rec.Tenant, dedup.HashOf(rec.Tenant, telemetry.Logs, rec.Data), rec.Received, b.Logs)
	case wal.Traces:
		b, _, err := decoder.Spans(rec.Data)
		if err != nil {
			return err
		}
		s.addSpans(to, rec.Tenant, dedup.HashOf(rec.Tenant, telemetry.Traces, rec.Data), rec.Received, b.Spans)
	case wal.Hashes:
		return nil
	default:
		return fmt.Errorf("record of type %d, which this program doesn't know", rec.Type)
	}
	return nil
}

// reason is the label of a refused batch.
func reason(err error) string {
	switch {
	case errors.Is(err, storage.ErrDiskFull):
		return "disk_full"
	case errors.Is(err, storage.ErrStuck):
		return "stuck"
	case errors.Is(err, storage.ErrOverloaded):
		return "overloaded"
	case errors.Is(err, storage.ErrClosed):
		return "closed"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "context"
	}
	return "error"
}
