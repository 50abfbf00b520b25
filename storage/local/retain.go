package local

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/clewhq/clew/storage/local/manifest"
)

// keep is how long, and up to how many bytes of segments, a signal of a tenant
// is kept; 0 is for ever and without end.
type keep struct {
	age   time.Duration
	bytes int64
}

func (r *Retention) logs(tenant string) keep {
	age, _ := r.Of(tenant)
	k := keep{timeOf(age), r.LogsBytes}
	if t, ok := r.Tenants[tenant]; ok {
		k.bytes = t.LogsBytes
	}
	return k
}

func (r *Retention) traces(tenant string) keep {
	_, age := r.Of(tenant)
	k := keep{timeOf(age), r.TracesBytes}
	if t, ok := r.Tenants[tenant]; ok {
		k.bytes = t.TracesBytes
	}
	return k
}

// Why something is dropped, as the metric names it.
const (
	tooOld  = "age"
	tooMuch = "size"
)

// retain drops what is beyond the retention, tenant by tenant.
func retain[T any](ctx context.Context, s *Store, sig *signal[T], policy func(tenant string) keep) error {
	all := partitions(s, sig)
	defer releaseAll(all)
	byTenant := map[string][]*partition[T]{}
	for _, p := range all {
		byTenant[p.tenant] = append(byTenant[p.tenant], p)
	}
	for tenant, days := range byTenant {
		slices.SortFunc(days, func(a, b *partition[T]) int { return cmp.Compare(a.day, b.day) })
		k := policy(tenant)
		days, err := retainAge(ctx, s, sig, days, k.age)
		if err == nil && k.bytes > 0 {
			err = retainBytes(ctx, s, sig, days, k.bytes)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// retainAge drops whole days that ended longer ago than the retention, and
// returns the others.
func retainAge[T any](ctx context.Context, s *Store, sig *signal[T], days []*partition[T], age time.Duration) ([]*partition[T], error) {
	limit := s.deps.Now().Add(-age).UnixNano()
	for age > 0 && len(days) > 0 && days[0].day.End() <= limit {
		if err := dropSegments(ctx, s, sig, days[0], days[0].list, tooOld); err != nil {
			return days, err
		}
		days = days[1:]
	}
	return days, nil
}

// retainBytes drops the oldest days until the rest is within the bound. Of the
// last day, which may be too big by itself, its oldest segments go, but not the
// newest.
func retainBytes[T any](ctx context.Context, s *Store, sig *signal[T], days []*partition[T], most int64) error {
	size := int64(0)
	for _, p := range days {
		size += sizeOf(p.list)
	}
	for size > most && len(days) > 1 {
		if err := dropSegments(ctx, s, sig, days[0], days[0].list, tooMuch); err != nil {
			return err
		}
		size -= sizeOf(days[0].list)
		days = days[1:]
	}
	if size <= most || len(days) == 0 {
		return nil
	}
	list := slices.Clone(days[0].list)
	slices.SortFunc(list, func(a, b *handle[T]) int { return cmp.Compare(a.meta.Max, b.meta.Max) })
	n := 0
	for ; n < len(list)-1 && size > most; n++ {
		size -= list[n].meta.Bytes
	}
	if n == 0 {
		return nil
	}
	return dropSegments(ctx, s, sig, days[0], list[:n], tooMuch)
}

func sizeOf[T any](list []*handle[T]) (n int64) {
	for _, h := range list {
		n += h.meta.Bytes
	}
	return n
}

// removalCost is what removing a file counts as background work: a file system
// is busy with it, however big the file.
const removalCost = 1 * mib

// dropSegments takes segments of a day out of the store for good.
func dropSegments[T any](ctx context.Context, s *Store, sig *signal[T], p *partition[T], list []*handle[T], why string) error {
	if err := s.manifest.Apply(manifest.Edit{Remove: removed(list)}); err != nil {
		return fmt.Errorf("drop %s of %s of tenant %s: %w", sig.kind.Signal, p.day, p.tenant, err)
	}
	s.mu.Lock()
	publish(s, sig, nil, list)
	s.mu.Unlock()
	for _, h := range list {
		_ = s.pace.wait(ctx, removalCost) // the store is closing: all of them go at once
		h.drop()
	}
	if len(list) == len(p.list) {
		s.metrics.partitionsDropped.WithLabelValues(string(sig.kind.Signal), why).Inc()
	}
	s.metrics.droppedBytes.WithLabelValues(string(sig.kind.Signal), why).Add(float64(sizeOf(list)))
	s.deps.Logger.Info("dropped what is beyond the retention",
		"signal", sig.kind.Signal, "tenant", p.tenant, "day", p.day.String(), "segments", len(list), "bytes", sizeOf(list), "reason", why)
	return nil
}
