package correlate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// changeAttrs begin the attributes of a log record that tells of a deployment
// or of changed settings, as OpenTelemetry names them and what records them.
var changeAttrs = []string{"deployment.id", "deployment.name", "deployment.status", "cicd.pipeline.", "feature_flag.change", "config.change", "change.type", "change.id"}

// changeEvents are words of which one stands in the name of an event that tells
// of such a change, and changeVerbs those of which one must besides, unless the
// first is enough.
var (
	changeEvents = []string{"deployment", "rollout", "rollback", "release"}
	changeTopics = []string{"feature_flag", "featureflag", "feature.flag", "config", "setting", "flag"}
	changeVerbs  = []string{"change", "update", "toggle", "enable", "disable", "reload", "create", "delete", "remove", "publish"}
)

func isChangeAttr(key string) bool {
	for _, word := range changeAttrs {
		if strings.HasPrefix(key, word) {
			return true
		}
	}
	return false
}

func isEventName(key string) bool { return key == "event.name" }

// isChangeEvent reports whether an event's name is that of a deployment or of
// a change of settings: deployment.finished, feature_flag.updated, config_reload.
func isChangeEvent(name string) bool {
	name = strings.ToLower(name)
	has := func(words []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
	}
	return name != "" && (has(changeEvents) || has(changeTopics) && has(changeVerbs))
}

// recordedChanges reads the log records that tell of a deployment or of changed
// settings: of the services that took part, or of nobody in particular.
func (g *gather) recordedChanges(ctx context.Context, v *involved, from, to int64) ([]Entry, error) {
	conditions := []storage.Condition{
		{Key: isChangeAttr, Accept: func(text string) bool { return text != "" }},
		{Field: storage.FieldEventName, Key: isEventName, Accept: isChangeEvent},
	}
	var out []Entry
	for i := range conditions {
		q := storage.LogQuery{Tenant: g.q.Tenant, From: from, To: to, Where: conditions[i : i+1], Stream: func(s *telemetry.Stream) bool { return !isEvents(s) }}
		for batch, err := range g.reader.Logs(ctx, q) {
			if err != nil {
				return out, fmt.Errorf("read changes: %w", err)
			}
			for j := range batch {
				l := &batch[j]
				told := i > 0 && conditions[0].Holds(l) // by the first condition
				if told || !conditions[i].Holds(l) || !l.TraceID.IsZero() && g.traces[l.TraceID.String()] || !v.concerns(l) {
					continue
				}
				e := logEntry(l, l.Stream.Resource.Attrs.Any())
				e.Type, e.Text = TypeEvent, changeText(l)
				out = append(out, e)
			}
			if len(out) > g.cfg.MaxListed {
				return out, nil
			}
		}
	}
	return out, nil
}

// targetAttrs name what a change was made to.
var targetAttrs = []string{"deployment.service", "deployment.name", "deployment.target", "service", "peer.service", "target.service", telemetry.AttrServiceName}

// concerns reports whether a change is about a service that took part. One that
// does not say to what it was made, such as that of a flag, is about all.
func (v *involved) concerns(l *telemetry.Log) bool {
	if v.services[service(l.Stream)] {
		return true
	}
	target := firstText(l.Attrs, targetAttrs)
	return target == "" || v.services[target] || v.objects[kindDeployment][target]
}

// changeText is what a change says: its event's name, its text, and what
// changed.
func changeText(l *telemetry.Log) string {
	name := l.EventName
	if name == "" {
		name = l.Attrs.Text("event.name")
	}
	text := l.Body.Text()
	if text == "" {
		var parts []string
		for _, a := range l.Attrs {
			if !isEventName(a.Key) {
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
		streams, err := g.reader.Streams(ctx, g.q.Tenant, signal, from, to)
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
