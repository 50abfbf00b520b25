package deploy

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// helmVersion is the helm that lints and renders the chart. It is built once,
// into .cache/bin at the top of the checkout, which takes about two minutes.
const helmVersion = "v3.22.0"

// kubeVersion is the Kubernetes that charts are rendered for.
const kubeVersion = "1.33.0"

const chart = "helm/clew"

// helmPath finds helm, or builds it.
var helmPath = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("CLEW_HELM"); path != "" {
		return path, nil
	}
	dir, err := filepath.Abs(filepath.Join("..", ".cache", "bin"))
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "helm")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if path, err := exec.LookPath("helm"); err == nil {
		return path, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "install", "helm.sh/helm/v3/cmd/helm@"+helmVersion)
	cmd.Dir = os.TempDir() // outside of this module
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=-mod=mod")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", &exec.Error{Name: "go install helm: " + string(out), Err: err}
	}
	return path, nil
})

func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := helmPath()
	if err != nil {
		t.Fatalf("get helm %s: %v; set CLEW_HELM to one that is there", helmVersion, err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir())
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return errs.String() + out.String(), err
	}
	return out.String(), nil
}

// valuesFiles are the charts of testdata, and "" for the defaults.
func valuesFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/values/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no values files: %v", err)
	}
	return append(files, "")
}

func TestChartLints(t *testing.T) {
	for _, values := range valuesFiles(t) {
		t.Run(filepath.Base(values), func(t *testing.T) {
			args := []string{"lint", chart, "--strict", "--kube-version", kubeVersion}
			if values != "" {
				args = append(args, "--values", values)
			}
			if out, err := helm(t, args...); err != nil {
				t.Errorf("helm lint: %v\n%s", err, out)
			}
		})
	}
}

// manifest is one rendered object.
type manifest struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	raw             string
}

func render(t *testing.T, values string) []manifest {
	t.Helper()
	args := []string{"template", "shop", chart, "--namespace", "observability", "--kube-version", kubeVersion}
	if values != "" {
		args = append(args, "--values", values)
	}
	out, err := helm(t, args...)
	if err != nil {
		t.Fatalf("helm template: %v\n%s", err, out)
	}
	var manifests []manifest
	for _, doc := range strings.Split("\n"+out, "\n---\n") {
		m := manifest{raw: doc}
		if err := yaml.Unmarshal([]byte(doc), &m); err != nil {
			t.Fatalf("rendered YAML does not parse: %v\n%s", err, doc)
		}
		if m.Kind != "" {
			manifests = append(manifests, m)
		}
	}
	return manifests
}

// decode decodes a manifest strictly: a key that Kubernetes does not know, or
// one that stands twice, is an error.
func decode(t *testing.T, m manifest) any {
	t.Helper()
	var into any
	switch m.APIVersion + " " + m.Kind {
	case "apps/v1 StatefulSet":
		into = &appsv1.StatefulSet{}
	case "apps/v1 DaemonSet":
		into = &appsv1.DaemonSet{}
	case "v1 ConfigMap":
		into = &corev1.ConfigMap{}
	case "v1 Service":
		into = &corev1.Service{}
	case "v1 ServiceAccount":
		into = &corev1.ServiceAccount{}
	case "v1 Pod":
		into = &corev1.Pod{}
	case "policy/v1 PodDisruptionBudget":
		into = &policyv1.PodDisruptionBudget{}
	case "networking.k8s.io/v1 NetworkPolicy":
		into = &networkingv1.NetworkPolicy{}
	case "rbac.authorization.k8s.io/v1 ClusterRole":
		into = &rbacv1.ClusterRole{}
	case "rbac.authorization.k8s.io/v1 Role":
		into = &rbacv1.Role{}
	case "rbac.authorization.k8s.io/v1 ClusterRoleBinding":
		into = &rbacv1.ClusterRoleBinding{}
	case "rbac.authorization.k8s.io/v1 RoleBinding":
		into = &rbacv1.RoleBinding{}
	case "monitoring.coreos.com/v1 ServiceMonitor":
		into = &serviceMonitor{}
	default:
		t.Fatalf("%s %s is not expected of this chart", m.APIVersion, m.Kind)
	}
	if err := yaml.UnmarshalStrict([]byte(m.raw), into); err != nil {
		t.Errorf("%s %s: %v", m.Kind, m.Metadata.Name, err)
	}
	return into
}

// serviceMonitor is what the chart uses of the Prometheus operator's type.
type serviceMonitor struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Spec            struct {
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port, Path, Interval string
			Authorization        *struct {
				Type        string                   `json:"type"`
				Credentials corev1.SecretKeySelector `json:"credentials"`
			} `json:"authorization"`
		} `json:"endpoints"`
	} `json:"spec"`
}

func TestChartRenders(t *testing.T) {
	for _, values := range valuesFiles(t) {
		t.Run(filepath.Base(values), func(t *testing.T) {
			names := map[string]bool{}
			for _, m := range render(t, values) {
				key := m.Kind + "/" + m.Metadata.Name
				if m.Metadata.Namespace != "" {
					key = m.Metadata.Namespace + "/" + key
				}
				if names[key] {
					t.Errorf("%s is rendered twice", key)
				}
				names[key] = true
				switch o := decode(t, m).(type) {
				case *appsv1.StatefulSet:
					checkPod(t, key, &o.Spec.Template, o.Spec.Selector, o.Spec.VolumeClaimTemplates)
				case *appsv1.DaemonSet:
					checkPod(t, key, &o.Spec.Template, o.Spec.Selector, nil)
				case *corev1.ConfigMap:
					for name, text := range o.Data {
						if err := yaml.Unmarshal([]byte(text), &map[string]any{}); err != nil {
							t.Errorf("%s: %s does not parse: %v", key, name, err)
						}
					}
				}
			}
			musts := []string{"Service/shop-clew", "ConfigMap/shop-clew", "ConfigMap/shop-clew-rules", "StatefulSet/shop-clew"}
			if filepath.Base(values) == "roles.yaml" {
				musts = append(musts[:3], "Service/shop-clew-collector")
				for _, role := range []string{"collector", "query", "ruler"} {
					musts = append(musts, "StatefulSet/shop-clew-"+role, "PodDisruptionBudget/shop-clew-"+role)
				}
			}
			switch filepath.Base(values) {
			case "small.yaml":
			case "everything.yaml": // events of two namespaces
				musts = append(musts, "StatefulSet/shop-clew-agent-cluster", "shop/Role/shop-clew-agent-cluster", "shop/RoleBinding/shop-clew-agent-cluster",
					"bank/Role/shop-clew-agent-cluster", "bank/RoleBinding/shop-clew-agent-cluster")
			default:
				musts = append(musts, "StatefulSet/shop-clew-agent-cluster", "ClusterRole/shop-clew-agent-cluster", "ClusterRoleBinding/shop-clew-agent-cluster")
			}
			for _, must := range musts {
				if !names[must] {
					t.Errorf("%s is missing", must)
				}
			}
		})
	}
}

// checkPod holds what an API server would check, and what we hold pods to.
func checkPod(t *testing.T, name string, pod *corev1.PodTemplateSpec, selector *metav1.LabelSelector, claims []corev1.PersistentVolumeClaim) {
	t.Helper()
	for k, v := range selector.MatchLabels {
		if pod.Labels[k] != v {
			t.Errorf("%s selects %s=%s, its pods have %q", name, k, v, pod.Labels[k])
		}
	}
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range claims {
		volumes[c.Name] = true
	}
	for _, c := range pod.Spec.Containers {
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("%s mounts volume %s, which it does not have", name, m.Name)
			}
			delete(volumes, m.Name)
		}
		sc := c.SecurityContext
		if sc == nil || sc.AllowPrivilegeEscalation == nil || *sc.AllowPrivilegeEscalation ||
			sc.ReadOnlyRootFilesystem == nil || !*sc.ReadOnlyRootFilesystem || len(sc.Capabilities.Drop) != 1 {
			t.Errorf("%s: container %s is not locked down: %+v", name, c.Name, sc)
		}
		if c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s: container %s has no memory request or limit", name, c.Name)
		}
		ports := map[string]bool{}
		for _, p := range c.Ports {
			ports[p.Name] = true
		}
		for _, p := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
			if p != nil && !ports[p.HTTPGet.Port.StrVal] {
				t.Errorf("%s probes port %s, which it does not open", name, p.HTTPGet.Port.StrVal)
			}
		}
	}
	for v := range volumes {
		t.Errorf("%s has volume %s and mounts it nowhere", name, v)
	}
}

// TestServicesLeadToPods holds that every service selects pods that open the
// ports it leads to.
func TestServicesLeadToPods(t *testing.T) {
	checkServicesOf(t, "", 3, 3, 1)
	checkServicesOf(t, "testdata/values/roles.yaml", 5, 4, 3) // the headless one leads to all roles
}

func checkServicesOf(t *testing.T, values string, workloads, number, most int) {
	t.Helper()
	pods := map[string]*corev1.PodTemplateSpec{}
	var services []*corev1.Service
	for _, m := range render(t, values) {
		switch o := decode(t, m).(type) {
		case *appsv1.StatefulSet:
			pods[o.Name] = &o.Spec.Template
		case *appsv1.DaemonSet:
			pods[o.Name] = &o.Spec.Template
		case *corev1.Service:
			services = append(services, o)
		}
	}
	if len(pods) != workloads || len(services) != number {
		t.Fatalf("%d workloads and %d services: want %d and %d", len(pods), len(services), workloads, number)
	}
	for _, s := range services {
		found := 0
		for _, p := range pods {
			if !selects(s.Spec.Selector, p.Labels) {
				continue
			}
			found++
			open := map[string]bool{}
			for _, port := range p.Spec.Containers[0].Ports {
				open[port.Name] = true
			}
			for _, port := range s.Spec.Ports {
				if !open[port.TargetPort.StrVal] {
					t.Errorf("service %s leads to port %s, which the pod does not open", s.Name, port.TargetPort.StrVal)
				}
			}
		}
		want := 1
		if s.Spec.ClusterIP == corev1.ClusterIPNone {
			want = most
		}
		if found != want {
			t.Errorf("service %s selects %d workloads, want %d", s.Name, found, want)
		}
	}
}

// TestWrongValuesAreRefused holds that a mistyped key is not ignored.
func TestWrongValuesAreRefused(t *testing.T) {
	tests := map[string]string{
		"agnet.enabled=true":              "agnet",
		"server.persistance.enabled=true": "persistance",
		"server.persistence.size=big":     "size",
		"auth.type=magic":                 "type",
		"auth.type=token":                 "existingSecret",
		"agent.queueBytes=1":              "queueBytes",
		"server.service.type=External":    "type",
		"serviceMonitor.interval=often":   "interval",
		"agent.endpoint=server:4318":      "endpoint",
		"roles.enabled=true":              "roles.elasticsearch",
		"roles.query.replicas=0":          "replicas",
	}
	for set, want := range tests {
		out, err := helm(t, "template", "shop", chart, "--kube-version", kubeVersion, "--set", set)
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("--set %s: got error %v and %q, want one that names %s", set, err, out, want)
		}
	}
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}
