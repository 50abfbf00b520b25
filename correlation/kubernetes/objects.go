package kubernetes

import (
	"strings"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/telemetry"
)

// The kinds of objects that resources tell of, in lower case.
const (
	KindPod         = "pod"
	KindNode        = "node"
	KindReplicaSet  = "replicaset"
	KindDeployment  = "deployment"
	KindStatefulSet = "statefulset"
	KindDaemonSet   = "daemonset"
	KindJob         = "job"
	KindCronJob     = "cronjob"
	KindAutoscaler  = "horizontalpodautoscaler"
)

// Object is an object that a resource tells of.
type Object struct{ Kind, Name string }

// names are the attributes that name an object, by its kind: OpenTelemetry's
// and those that the shippers of Loki and Elastic put on logs.
var names = []struct {
	kind string
	keys []string
}{
	{KindPod, []string{AttrPod, "pod", "pod_name", "kubernetes.pod_name", "kubernetes_pod_name", "kubernetes.pod.name"}},
	{KindNode, []string{AttrNode, "node_name", "kubernetes.node.name", "kubernetes.host"}},
	{KindReplicaSet, []string{"k8s.replicaset.name"}},
	{KindDeployment, []string{"k8s.deployment.name", "kubernetes.deployment.name"}},
	{KindStatefulSet, []string{"k8s.statefulset.name"}},
	{KindDaemonSet, []string{"k8s.daemonset.name"}},
	{KindJob, []string{"k8s.job.name"}},
	{KindCronJob, []string{"k8s.cronjob.name"}},
	{KindAutoscaler, []string{"k8s.hpa.name"}},
}

var namespaceKeys = []string{AttrNamespace, "namespace", "kubernetes.namespace_name", "kubernetes_namespace_name", "kubernetes.namespace"}

// Namespace returns the namespace that a resource is in, "" where it does not
// say.
func Namespace(resource telemetry.Attrs) string { return firstText(resource, namespaceKeys) }

// Objects returns what a resource names, and what its pod's name tells of the
// pod's owners.
func Objects(resource telemetry.Attrs) []Object {
	var out []Object
	for _, n := range names {
		if name := firstText(resource, n.keys); name != "" {
			out = append(out, Object{n.kind, name})
			if n.kind == KindPod {
				out = append(out, Owners(name)...)
			}
		}
	}
	return out
}

// Owners returns what a pod's name tells of its owners: the replica set and
// the deployment of checkout-7d9f8b6c5d-x2x4z, the stateful set of db-0.
func Owners(pod string) []Object {
	dash := strings.LastIndexByte(pod, '-')
	if dash <= 0 {
		return nil
	}
	if set, template, ok := correlation.PodOwners(pod); ok {
		return []Object{{KindReplicaSet, set + "-" + template}, {KindDeployment, set}}
	}
	if number := pod[dash+1:]; number != "" && strings.Trim(number, "0123456789") == "" {
		return []Object{{KindStatefulSet, pod[:dash]}}
	}
	return nil
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
