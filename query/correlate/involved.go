package correlate

import (
	"strings"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/telemetry"
)

// involved is what took part in a story beside its services: the Kubernetes
// objects that its resources tell of, by kind in lower case and name.
type involved struct {
	services   map[string]bool
	namespaces map[string]bool
	objects    map[string]map[string]bool
}

// The kinds of objects that a resource's pod tells of.
const (
	kindPod         = "pod"
	kindNode        = "node"
	kindReplicaSet  = "replicaset"
	kindDeployment  = "deployment"
	kindStatefulSet = "statefulset"
	kindAutoscaler  = "horizontalpodautoscaler"
)

// objectAttrs are the attributes that name an object, by its kind:
// OpenTelemetry's and those that the shippers of Loki and Elastic put on logs.
var objectAttrs = map[string][]string{
	kindPod:         {"k8s.pod.name", "pod", "pod_name", "kubernetes.pod_name", "kubernetes_pod_name", "kubernetes.pod.name"},
	kindNode:        {"k8s.node.name", "node_name", "kubernetes.node.name", "kubernetes.host"},
	kindReplicaSet:  {"k8s.replicaset.name"},
	kindDeployment:  {"k8s.deployment.name", "kubernetes.deployment.name"},
	kindStatefulSet: {"k8s.statefulset.name"},
	"daemonset":     {"k8s.daemonset.name"},
	"job":           {"k8s.job.name"},
	"cronjob":       {"k8s.cronjob.name"},
	kindAutoscaler:  {"k8s.hpa.name"},
}

var namespaceAttrs = []string{"k8s.namespace.name", "namespace", "kubernetes.namespace_name", "kubernetes_namespace_name", "kubernetes.namespace"}

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
	if ns := firstText(s.Resource.Attrs, namespaceAttrs); ns != "" {
		v.namespaces[ns] = true
	}
	for kind, keys := range objectAttrs {
		if name := firstText(s.Resource.Attrs, keys); name != "" {
			v.add(kind, name)
		}
	}
	if pod := firstText(s.Resource.Attrs, objectAttrs[kindPod]); pod != "" {
		v.addOwners(pod)
	}
}

func (v *involved) add(kind, name string) {
	if v.objects[kind] == nil {
		v.objects[kind] = map[string]bool{}
	}
	v.objects[kind][name] = true
}

// addOwners adds what a pod's name tells of its owners: the replica set and
// the deployment of checkout-7d9f8b6c5d-x2x4z, the stateful set of db-0.
func (v *involved) addOwners(pod string) {
	dash := strings.LastIndexByte(pod, '-')
	if dash <= 0 {
		return
	}
	if set, template, ok := correlation.PodOwners(pod); ok {
		v.add(kindReplicaSet, set+"-"+template)
		v.add(kindDeployment, set)
		return
	}
	if number := pod[dash+1:]; number != "" && strings.Trim(number, "0123456789") == "" {
		v.add(kindStatefulSet, pod[:dash])
	}
}

// names reports whether an object took part; namespace may be empty. What
// belongs to one often has its name: an autoscaler has its deployment's.
func (v *involved) names(kind, name, namespace string) bool {
	kind = strings.ToLower(kind)
	if namespace != "" && len(v.namespaces) > 0 && !v.namespaces[namespace] && kind != kindNode {
		return false
	}
	return v.objects[kind][name] || kind == kindAutoscaler && (v.objects[kindDeployment][name] || v.objects[kindStatefulSet][name])
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
