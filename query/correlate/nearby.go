package correlate

import (
	"context"
	"slices"
	"time"
)

// nearby returns what happened around the story without carrying any of its
// IDs: events of Kubernetes about the objects that took part, deployments and
// changes of configuration that somebody recorded, and versions of services
// that were new.
func (g *gather) nearby(ctx context.Context, from, to time.Time) ([]Entry, error) {
	around := time.Duration(g.cfg.Nearby)
	out := []Entry{}
	if around <= 0 || g.empty() {
		return out, nil
	}
	v := g.involved()
	start, end := max(from.Add(-around).UnixNano(), 0), to.Add(around).UnixNano()
	for _, look := range []func(context.Context, *involved, int64, int64) ([]Entry, error){g.kubernetesEvents, g.recordedChanges, g.pipelineRuns, g.newVersions} {
		found, err := look(ctx, v, start, end)
		if err != nil {
			return out, err
		}
		out = append(out, found...)
	}
	slices.SortStableFunc(out, compareEntries)
	return out[:min(len(out), g.cfg.MaxListed)], nil
}
