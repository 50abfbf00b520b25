package correlate

import (
	"context"
	"fmt"
	"strings"

	"github.com/clewhq/clew/correlation/kubernetes"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// kubernetesEvents reads the events about objects that took part.
func (g *gather) kubernetesEvents(ctx context.Context, v *involved, from, to int64) ([]Entry, error) {
	if len(v.objects) == 0 {
		return nil, nil
	}
	var out []Entry
	q := storage.LogQuery{Tenant: g.q.Tenant, From: from, To: to, Stats: &g.stats, Stream: func(s *telemetry.Stream) bool {
		if !kubernetes.MayHoldEvents(s) {
			return false
		}
		r := s.Resource.Attrs
		kind := r.Text(kubernetes.AttrObjectKind)
		return kind == "" || v.names(kind, r.Text(kubernetes.AttrObjectName), r.Text(kubernetes.AttrNamespace))
	}}
	for batch, err := range g.reader.Logs(ctx, q) {
		if err != nil {
			return out, fmt.Errorf("read events of Kubernetes: %w", err)
		}
		for i := range batch {
			l := &batch[i]
			h, ok := kubernetes.EventOf(l)
			if !ok || !v.names(h.Kind, h.Name, h.Namespace) && !v.configures(h) {
				continue
			}
			e := logEntry(l, l.Stream.Resource.Attrs.Any())
			e.Type, e.Service = TypeEvent, strings.ToLower(h.Kind)+"/"+h.Name
			e.Text = strings.TrimPrefix(h.Reason+": "+h.Text, ": ")
			out = append(out, e)
		}
		if len(out) > g.cfg.MaxListed {
			return out, nil
		}
	}
	return out, nil
}

// configKinds are kinds whose change is news for all of a namespace.
var configKinds = map[string]bool{"configmap": true, "secret": true}

// configures reports whether an event is about settings of a namespace that
// took part.
func (v *involved) configures(h kubernetes.Event) bool {
	return configKinds[strings.ToLower(h.Kind)] && v.namespaces[h.Namespace]
}
