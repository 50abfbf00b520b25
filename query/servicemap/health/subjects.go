package health

import (
	"net/url"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/clewhq/clew/correlation/kubernetes"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Subject is a node of the map. Address is the host of one that is no service.
type Subject struct {
	ID      string
	Service bool
	Address string
}

// subjects finds nodes by what labels, resources and events call them.
type subjects struct {
	names     map[string][]string // IDs by a name in lower case
	addresses map[string][]string
	objects   map[object][]runs
}

// object is one of Kubernetes; its namespace may be unknown.
type object struct{ kind, namespace, name string }

// runs is a service that an object runs, in a container if that is known.
type runs struct{ service, container string }

func newSubjects(nodes []Subject) *subjects {
	s := &subjects{names: map[string][]string{}, addresses: map[string][]string{}, objects: map[object][]runs{}}
	for _, n := range nodes {
		s.add(n)
	}
	return s
}

func (s *subjects) add(n Subject) {
	if !n.Service {
		put(s.addresses, strings.ToLower(n.Address), n.ID)
		return
	}
	put(s.names, strings.ToLower(n.ID), n.ID)
	if slash := strings.LastIndexByte(n.ID, '/'); slash >= 0 {
		put(s.names, strings.ToLower(n.ID[slash+1:]), n.ID) // without its namespace
	}
}

func put[K comparable, V comparable](m map[K][]V, k K, v V) {
	if !slices.Contains(m[k], v) {
		m[k] = append(m[k], v)
	}
}

// addStreams notes the objects that the services of streams run in.
func (s *subjects) addStreams(streams []storage.StreamInfo) {
	for _, info := range streams {
		if info.Stream == nil || kubernetes.OnlyEvents(info.Stream) {
			continue
		}
		r := info.Stream.Resource.Attrs
		namespace, container := kubernetes.Namespace(r), r.Text("k8s.container.name")
		for _, o := range kubernetes.Objects(r) {
			if o.Kind == kubernetes.KindNode {
				continue // is no service's own
			}
			for _, ns := range []string{namespace, ""} {
				put(s.objects, object{o.Kind, ns, o.Name}, runs{info.Stream.Service, container})
			}
		}
	}
}

// named returns the services of a name, in a namespace if that is not empty.
func (s *subjects) named(name, namespace string) []string {
	if name == "" {
		return nil
	}
	if namespace != "" {
		if ids := s.names[strings.ToLower(namespace+"/"+name)]; len(ids) > 0 {
			return ids
		}
	}
	return s.names[strings.ToLower(name)]
}

// running returns the services that an object runs, those of one container
// where it is known which service is that.
func (s *subjects) running(kind, namespace, name, container string) []string {
	kind = strings.ToLower(kind)
	found := s.objects[object{kind, namespace, name}]
	if len(found) == 0 && kind == kubernetes.KindPod {
		for _, owner := range kubernetes.Owners(name) { // a pod that never said anything
			if found = s.objects[object{owner.Kind, namespace, owner.Name}]; len(found) > 0 {
				break
			}
		}
	}
	var all, own []string
	for _, r := range found {
		if !slices.Contains(all, r.service) {
			all = append(all, r.service)
		}
		if container != "" && r.container == container && !slices.Contains(own, r.service) {
			own = append(own, r.service)
		}
	}
	if len(own) > 0 {
		return own
	}
	if len(all) == 0 && container != "" {
		return s.named(container, namespace)
	}
	return all
}

// workloads are labels that name an object, by its kind.
var workloads = []struct {
	kind   string
	labels []string
}{
	{kubernetes.KindPod, []string{kubernetes.AttrPod, "pod", "pod_name"}},
	{kubernetes.KindDeployment, []string{"k8s.deployment.name", "deployment"}},
	{kubernetes.KindStatefulSet, []string{"k8s.statefulset.name", "statefulset"}},
	{kubernetes.KindDaemonSet, []string{"k8s.daemonset.name", "daemonset"}},
	{kubernetes.KindCronJob, []string{"k8s.cronjob.name", "cronjob"}},
}

// labelled returns the nodes that a series is about: by the service it names,
// by the object of Kubernetes, by the host, and last by who measured it.
func (s *subjects) labelled(ls labels.Labels) []string {
	if ids := s.named(label(ls, telemetry.AttrServiceName), label(ls, telemetry.AttrServiceNamespace)); len(ids) > 0 {
		return ids
	}
	namespace := firstLabel(ls, kubernetes.AttrNamespace, "namespace")
	for _, w := range workloads {
		if name := firstLabel(ls, w.labels...); name != "" {
			if ids := s.running(w.kind, namespace, name, firstLabel(ls, "k8s.container.name", "container")); len(ids) > 0 {
				return ids
			}
		}
	}
	for _, name := range []string{"service", "server", "app", "app.kubernetes.io.name", "application", "deployment"} {
		if ids := s.named(label(ls, name), namespace); len(ids) > 0 {
			return ids
		}
	}
	if ids := s.hosted(ls); len(ids) > 0 {
		return ids
	}
	return s.named(ls.Get("job"), namespace)
}

// hosted returns the nodes at the host that a series names.
func (s *subjects) hosted(ls labels.Labels) []string {
	for _, name := range []string{"server.address", "http.url", "url.full", "target", "instance", "host"} {
		if ids := s.at(hostOf(label(ls, name))); len(ids) > 0 {
			return ids
		}
	}
	return nil
}

// at returns the nodes at a host: by their address, or the services that are
// called so, as Kubernetes names them.
func (s *subjects) at(host string) []string {
	if host == "" {
		return nil
	}
	if ids := s.addresses[host]; len(ids) > 0 {
		return ids
	}
	if ids := s.names[host]; len(ids) > 0 {
		return ids
	}
	name, rest, _ := strings.Cut(host, ".")
	namespace, tail, _ := strings.Cut(rest, ".")
	if tail != "svc" && !strings.HasPrefix(tail, "svc.") {
		return nil
	}
	return s.named(name, namespace)
}

// hostOf returns the host of an address or a URL, in lower case.
func hostOf(text string) string {
	if !strings.Contains(text, "://") {
		text = "//" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}
