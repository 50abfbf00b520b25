package keep

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
)

// countKey holds how many batches stand in storage, under the keys "0", "1",
// ...; some of them may be sent already and gone.
const countKey = "count"

// spill is batches in storage. It holds at most one batch of each file that
// was being read when the agent stopped.
type spill struct {
	client storage.Client

	mu    sync.Mutex
	count uint64
}

func openSpill(ctx context.Context, host component.Host, extension, owner component.ID) (*spill, error) {
	ext, ok := host.GetExtensions()[extension].(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("find storage: %q is not a storage extension of this configuration", extension)
	}
	client, err := ext.GetClient(ctx, component.KindProcessor, owner, "logs")
	if err != nil {
		return nil, fmt.Errorf("open storage %q: %w", extension, err)
	}
	s := &spill{client: client}
	buf, err := client.Get(ctx, countKey)
	if err != nil {
		return nil, fmt.Errorf("read how much is kept: %w", err)
	}
	if len(buf) == 8 {
		s.count = binary.BigEndian.Uint64(buf)
	}
	return s, nil
}

// put writes ld and the new count in one transaction.
func (s *spill) put(ctx context.Context, ld plog.Logs) error {
	buf, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		return fmt.Errorf("encode records: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.client.Batch(ctx,
		storage.SetOperation(strconv.FormatUint(s.count, 10), buf),
		storage.SetOperation(countKey, binary.BigEndian.AppendUint64(nil, s.count+1)))
	if err != nil {
		return fmt.Errorf("write records to storage: %w", err)
	}
	s.count++
	return nil
}

// drain hands every batch to send and deletes it when send has taken it. What
// is put meanwhile stays.
func (s *spill) drain(ctx context.Context, send func(context.Context, plog.Logs) error) error {
	s.mu.Lock()
	until := s.count
	s.mu.Unlock()
	for i := range until {
		key := strconv.FormatUint(i, 10)
		buf, err := s.client.Get(ctx, key)
		if err != nil {
			return fmt.Errorf("read kept batch %d: %w", i, err)
		}
		if buf == nil {
			continue // sent by an earlier run
		}
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(buf)
		if err != nil {
			return fmt.Errorf("decode kept batch %d: %w", i, err)
		}
		if err := send(ctx, ld); err != nil {
			return fmt.Errorf("send kept batch %d: %w", i, err)
		}
		if err := s.client.Delete(ctx, key); err != nil {
			return fmt.Errorf("delete kept batch %d: %w", i, err)
		}
	}
	return s.reset(ctx, until)
}

// reset starts counting anew where nothing was put since.
func (s *spill) reset(ctx context.Context, until uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until == 0 || s.count != until {
		return nil
	}
	if err := s.client.Delete(ctx, countKey); err != nil {
		return fmt.Errorf("reset storage: %w", err)
	}
	s.count = 0
	return nil
}

func (s *spill) close(ctx context.Context) error { return s.client.Close(ctx) }
