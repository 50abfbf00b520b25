package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/clewhq/clew/correlation/kubernetes"
	"github.com/clewhq/clew/storage"
)

// trouble is events of one reason about one object.
type trouble struct {
	event       kubernetes.Event // the last one
	n           int
	first, last int64
}

// events reads the events of Kubernetes that tell of trouble with the pods of
// services.
func (l *look) events(ctx context.Context) error {
	if l.cfg.MaxEvents == 0 {
		return nil
	}
	found, err := l.troubles(ctx)
	list := make([]*trouble, 0, len(found))
	for _, t := range found {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *trouble) int {
		return cmp.Or(cmp.Compare(a.first, b.first), strings.Compare(a.event.Name, b.event.Name), strings.Compare(a.event.Reason, b.event.Reason))
	})
	for _, t := range list {
		e := t.event
		text := fmt.Sprintf("%s %s: %s", strings.ToLower(e.Kind), e.Name, e.Reason)
		if e.Text != "" {
			text += ", " + e.Text
		}
		if t.n > 1 {
			text += fmt.Sprintf(" (%s, last at %s)", plural(t.n, "event"), clock(t.last))
		}
		r := reasonOf(KindEvent, Degraded, text, l.settled(t.first, t.last))
		r.Link = "/loki/api/v1/query_range?" + url.Values{"query": {fmt.Sprintf("{service_name=~\".*event.*\"} |= %q", e.Name)},
			"start": {seconds(l.From)}, "end": {seconds(l.To)}}.Encode()
		l.blame(l.subjects.running(e.Kind, e.Namespace, e.Name, ""), r)
	}
	return err
}

// troubles adds the events up that have somebody to blame.
func (l *look) troubles(ctx context.Context) (map[kubernetes.Event]*trouble, error) {
	found, left := map[kubernetes.Event]*trouble{}, l.cfg.MaxEvents
	var stats storage.ReadStats
	defer func() { l.lacks(&stats) }()
	q := storage.LogQuery{Tenant: l.Tenant, From: l.From, To: l.To, Columns: storage.ColBody | storage.ColAttrs, Stream: kubernetes.MayHoldEvents, Stats: &stats}
	for batch, err := range l.records.Logs(ctx, q) {
		if errors.Is(err, storage.ErrBudget) {
			return found, err
		}
		if err != nil {
			return found, fmt.Errorf("read events of Kubernetes: %w", err)
		}
		for i := range batch {
			e, ok := kubernetes.EventOf(&batch[i])
			if !ok || !e.Trouble() {
				continue
			}
			key := e
			key.Text = ""
			t := found[key]
			if t == nil {
				t = &trouble{event: e, first: batch[i].Time}
				found[key] = t
			}
			t.n++
			t.first = min(t.first, batch[i].Time)
			if batch[i].Time >= t.last {
				t.last, t.event = batch[i].Time, e
			}
		}
		if left -= len(batch); left < 0 {
			return found, errors.New("more log records may be events of Kubernetes than query.servicemap.health.max_events: some are not on the map")
		}
	}
	return found, nil
}
