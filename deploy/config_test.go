package deploy

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/clewhq/clew/server/config"
)

// load reads a configuration as the server does, which refuses keys that it
// does not know, and listeners on all addresses whose authentication is not
// written out.
func load(t *testing.T, path, target string) config.Config {
	t.Helper()
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	c.Target = target
	if err := c.Validate(); err != nil {
		t.Errorf("%s as %s: %v", path, target, err)
	}
	return c
}

// inPod sets what a pod or a container has in its environment.
func inPod(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"POD_IP": "10.0.0.7", "HOSTNAME": "clew-1", "ELASTIC_API_KEY": "key",
		"CLEW_GOSSIP_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
	} {
		t.Setenv(name, value)
	}
}

func TestServerConfigs(t *testing.T) {
	inPod(t)
	for path, targets := range map[string][]string{
		"systemd/clew.yaml": {config.TargetAll}, "compose/clew.yaml": {config.TargetAll},
		"compose/clew-roles.yaml": {config.TargetCollector, config.TargetQuery, config.TargetRuler},
	} {
		for _, target := range targets {
			load(t, path, target)
		}
	}
	for file, services := range map[string]composeFile{
		"compose/clew.yaml": readCompose(t, "compose.yaml"), "compose/clew-roles.yaml": readCompose(t, "roles.yaml"),
	} {
		c := load(t, file, config.TargetAll)
		calls := append(c.Alert.Alertmanagers, c.Storage.Elasticsearch.Addresses...)
		if c.Storage.Backend == config.BackendLocal {
			calls = c.Alert.Alertmanagers
		} else {
			calls = append(calls, c.Storage.Metrics.Remote.QueryURL)
		}
		for _, call := range calls {
			u, err := url.Parse(call)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := services.Services[u.Hostname()]; !ok {
				t.Errorf("%s calls %s, which the compose file does not have", file, call)
			}
		}
	}
}

// TestChartsConfigs holds that every configuration that the chart makes is
// taken by the server, in every role that runs with it.
func TestChartsConfigs(t *testing.T) {
	inPod(t)
	for _, values := range valuesFiles(t) {
		t.Run(filepath.Base(values), func(t *testing.T) {
			found := false
			for _, m := range render(t, values) {
				c, ok := decode(t, m).(*corev1.ConfigMap)
				if !ok || c.Name != "shop-clew" {
					continue
				}
				found = true
				path := filepath.Join(t.TempDir(), "clew.yaml")
				if err := os.WriteFile(path, []byte(c.Data["clew.yaml"]), 0o600); err != nil {
					t.Fatal(err)
				}
				targets := []string{config.TargetAll}
				if filepath.Base(values) == "roles.yaml" {
					targets = []string{config.TargetCollector, config.TargetQuery, config.TargetRuler}
				}
				for _, target := range targets {
					load(t, path, target)
				}
			}
			if !found {
				t.Error("the chart makes no configuration of the server")
			}
		})
	}
}
