package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/metrics/remote"
)

// credentials are how stores elsewhere know who calls.
var credentials = keysOf(map[string]any{
	"storage.elasticsearch.":  cluster.Credentials{},
	"storage.metrics.remote.": remote.Credentials{},
})

// keysOf returns the whole keys of the fields of structs, by what stands before.
func keysOf(sections map[string]any) []string {
	var out []string
	for before, section := range sections {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(section)) {
			out = append(out, before+f.Tag.Get("yaml"))
		}
	}
	return out
}

// Live reports whether a change of a key takes effect without a restart.
func (c *Config) Live(key string) bool {
	switch key {
	case "auth.type": // an open server must not become one behind a log-in unnoticed, or the other way round
		return false
	case "storage.retention.metrics":
		return false
	case "telemetry.log_level", "alert.alertmanagers":
		return true
	}
	if slices.Contains(credentials, key) {
		return true
	}
	if strings.HasPrefix(key, "storage.retention.") {
		return c.Storage.Backend == BackendLocal
	}
	return strings.HasPrefix(key, "limits.") || strings.HasPrefix(key, "auth.")
}

// Changes returns the keys whose values differ, sorted. A list is one value.
func Changes(before, after Config) ([]string, error) {
	a, err := flat(before)
	if err != nil {
		return nil, err
	}
	b, err := flat(after)
	if err != nil {
		return nil, err
	}
	var keys []string
	for key, v := range a {
		if w, ok := b[key]; !ok || !reflect.DeepEqual(v, w) {
			keys = append(keys, key)
		}
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// flat returns the values of a configuration by their whole keys.
func flat(c Config) (map[string]any, error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("compare configurations: %w", err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("compare configurations: %w", err)
	}
	out := map[string]any{}
	flatten(out, "", tree)
	return out, nil
}

func flatten(out map[string]any, key string, v any) {
	tree, ok := v.(map[string]any)
	if !ok {
		out[key] = v
		return
	}
	for name, v := range tree {
		below := name
		if key != "" {
			below = key + "." + name
		}
		flatten(out, below, v)
	}
}
