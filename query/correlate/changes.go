package correlate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/correlation/kubernetes"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// recordedChanges reads the log records that tell of a deployment or of changed
// settings: of the services that took part, or of nobody in particular.
func (g *gather) recordedChanges(ctx context.Context, v *involved, from, to int64) ([]Entry, error) {
	var out []Entry
	q := storage.LogQuery{Tenant: g.q.Tenant, From: from, To: to, IDs: []string{correlation.ChangeID}, Stats: &g.stats, Stream: func(s *telemetry.Stream) bool { return !kubernetes.MayHoldEvents(s) }}
	for batch, err := range g.reader.Logs(ctx, q) {
		if err != nil {
			return out, fmt.Errorf("read changes: %w", err)
		}
		for i := range batch {
			l := &batch[i]
			if !l.TraceID.IsZero() && g.traces[l.TraceID.String()] || !v.concerns(l.Stream, l.Attrs) {
				continue // of the story itself, or of another one
			}
			e := logEntry(l, l.Stream.Resource.Attrs.Any())
			e.Type, e.Text = TypeEvent, changeText(l)
			out = append(out, e)
		}
		if len(out) > g.cfg.MaxListed {
			return out, nil
		}
	}
	return out, nil
}

// pipelineRuns reads the spans that tell of a deployment: the first ones of a
// pipeline's runs.
func (g *gather) pipelineRuns(ctx context.Context, v *involved, from, to int64) ([]Entry, error) {
	var out []Entry
	q := storage.SpanQuery{Tenant: g.q.Tenant, From: from, To: to, IDs: []string{correlation.ChangeID}, Stats: &g.stats}
	for batch, err := range g.reader.Spans(ctx, q) {
		if err != nil {
			return out, fmt.Errorf("read runs of pipelines: %w", err)
		}
		for i := range batch {
			s := &batch[i]
			if g.traces[s.TraceID.String()] || !v.concerns(s.Stream, s.Attrs) {
				continue
			}
			e := spanEntry(s, s.Stream.Resource.Attrs.Any())
			e.Type = TypeEvent
			if result := firstText(s.Attrs, resultAttrs); result != "" {
				e.Text += ": " + result
			}
			out = append(out, e)
		}
		if len(out) > g.cfg.MaxListed {
			return out, nil
		}
	}
	return out, nil
}

// resultAttrs say how a deployment or a pipeline ended.
var resultAttrs = []string{"cicd.pipeline.result", "deployment.status"}

// targetAttrs name what a change was made to.
var targetAttrs = []string{"deployment.service", "deployment.name", "cicd.deployment.service", "deployment.target", "service", "peer.service", "target.service", telemetry.AttrServiceName}

// concerns reports whether a change is about a service that took part. One that
// does not say to what it was made, such as that of a flag, is about all.
func (v *involved) concerns(by *telemetry.Stream, attrs telemetry.Attrs) bool {
	if v.services[service(by)] {
		return true
	}
	target := firstText(attrs, targetAttrs)
	return target == "" || v.services[target] || v.objects[kubernetes.KindDeployment][target]
}

// changeText is what a change says: its event's name, its text, and what
// changed.
func changeText(l *telemetry.Log) string {
	const attrName = "event.name"
	name := l.EventName
	if name == "" {
		name = l.Attrs.Text(attrName)
	}
	text := l.Body.Text()
	if text == "" {
		var parts []string
		for _, a := range l.Attrs {
			if a.Key != attrName {
				parts = append(parts, a.Key+"="+a.Value.Text())
			}
		}
		text = strings.Join(parts, " ")
	}
	if name == "" || strings.Contains(text, name) {
		return text
	}
	return strings.TrimSuffix(name+": "+text, ": ")
}

// versionAttrs are the attributes of a resource of which a new value tells that
// something else runs, with the word for it. Of several that changed at once
// the first is told.
var versionAttrs = []struct{ key, word string }{
	{"service.version", "version"}, {"deployment.id", "deployment"}, {"vcs.ref.head.revision", "revision"}, {"container.image.tags", "image"},
	{"container.image.tag", "image"}, {"faas.version", "version"}, {"k8s.replicaset.name", "replica set"}, {"feature_flag.set.id", "set of flags"},
}

// newVersions tells of services of the story that sent something as another
// version for the first time around it.
func (g *gather) newVersions(ctx context.Context, v *involved, from, to int64) ([]Entry, error) {
	seen := map[string][]versions{} // by service, in the order of versionAttrs
	for _, signal := range []telemetry.Signal{telemetry.Traces, telemetry.Logs} {
		streams, err := g.reader.Streams(ctx, g.q.Tenant, signal, from, to, &g.stats)
		if err != nil {
			return nil, fmt.Errorf("list streams: %w", err)
		}
		for _, s := range streams {
			name := s.Stream.Service
			if !v.services[name] {
				continue
			}
			if seen[name] == nil {
				seen[name] = make([]versions, len(versionAttrs))
			}
			for i, a := range versionAttrs {
				if text := s.Stream.Resource.Attrs.Text(a.key); text != "" {
					seen[name][i].see(text, s.First)
				}
			}
		}
	}
	var out []Entry
	for name, byAttr := range seen {
		told := map[int64]bool{}
		for i, all := range byAttr {
			list := all.inOrder()
			for j := 1; j < len(list); j++ {
				if now := list[j]; now.first >= from && !told[now.first] {
					told[now.first] = true
					out = append(out, Entry{Time: at(now.first), Type: TypeEvent, Service: name, Attributes: map[string]any{versionAttrs[i].key: now.name}, Resource: map[string]any{},
						Text: fmt.Sprintf("%s %s was seen for the first time, after %s", versionAttrs[i].word, now.name, list[j-1].name)})
				}
			}
		}
	}
	return out, nil
}

// versions are the values of an attribute and when each was seen first.
type versions struct{ firsts map[string]int64 }

type version struct {
	name  string
	first int64
}

func (v *versions) see(name string, first int64) {
	if v.firsts == nil {
		v.firsts = map[string]int64{}
	}
	if have, ok := v.firsts[name]; !ok || first < have {
		v.firsts[name] = first
	}
}

func (v *versions) inOrder() []version {
	out := make([]version, 0, len(v.firsts))
	for name, first := range v.firsts {
		out = append(out, version{name, first})
	}
	slices.SortFunc(out, func(a, b version) int { return cmp.Or(cmp.Compare(a.first, b.first), strings.Compare(a.name, b.name)) })
	return out
}
