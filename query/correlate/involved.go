package correlate

import (
	"strings"

	"github.com/clewhq/clew/correlation/kubernetes"
	"github.com/clewhq/clew/telemetry"
)

// involved is what took part in a story beside its services: the Kubernetes
// objects that its resources tell of, by kind in lower case and name.
type involved struct {
	services   map[string]bool
	namespaces map[string]bool
	objects    map[string]map[string]bool
}

func (g *gather) involved() *involved {
	v := &involved{services: map[string]bool{}, namespaces: map[string]bool{}, objects: map[string]map[string]bool{}}
	seen := map[*telemetry.Stream]bool{}
	for i := range g.spans {
		v.see(g.spans[i].Stream, seen)
	}
	for i := range g.logs {
		v.see(g.logs[i].Stream, seen)
	}
	return v
}

func (v *involved) see(s *telemetry.Stream, seen map[*telemetry.Stream]bool) {
	if s == nil || seen[s] {
		return
	}
	seen[s] = true
	v.services[s.Service] = true
	if ns := kubernetes.Namespace(s.Resource.Attrs); ns != "" {
		v.namespaces[ns] = true
	}
	for _, o := range kubernetes.Objects(s.Resource.Attrs) {
		v.add(o.Kind, o.Name)
	}
}

func (v *involved) add(kind, name string) {
	if v.objects[kind] == nil {
		v.objects[kind] = map[string]bool{}
	}
	v.objects[kind][name] = true
}

// rolloutKinds are the kinds of objects by which Argo, Flux and others roll
// something out that has the same name. They live in namespaces of their own.
var rolloutKinds = map[string]bool{"application": true, "rollout": true, "helmrelease": true, "helmchart": true, "kustomization": true, "canary": true}

// names reports whether an object took part; namespace may be empty. What
// belongs to one often has its name: an autoscaler has its deployment's.
func (v *involved) names(kind, name, namespace string) bool {
	kind = strings.ToLower(kind)
	if rolloutKinds[kind] {
		return v.objects[kubernetes.KindDeployment][name] || v.objects[kubernetes.KindStatefulSet][name] || v.services[name]
	}
	if namespace != "" && len(v.namespaces) > 0 && !v.namespaces[namespace] && kind != kubernetes.KindNode {
		return false
	}
	return v.objects[kind][name] || kind == kubernetes.KindAutoscaler && (v.objects[kubernetes.KindDeployment][name] || v.objects[kubernetes.KindStatefulSet][name])
}

// firstText returns the first of keys that attrs have a text for.
func firstText(attrs telemetry.Attrs, keys []string) string {
	for _, key := range keys {
		if text := attrs.Text(key); text != "" {
			return text
		}
	}
	return ""
}
