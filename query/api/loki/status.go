package loki

import (
	"net/http"
	"runtime"
)

func (a *API) buildInfo(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]string{
		"version": a.version, "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	})
}

// drilldownLimits tells Logs Drilldown what it may ask for.
func (a *API) drilldownLimits(w http.ResponseWriter, _ *http.Request) {
	c := a.engine.Config()
	writeJSON(w, map[string]any{
		"limits": map[string]any{
			"discover_service_name": []string{"service", "app", "application", "name", "app_kubernetes_io_name", "container",
				"container_name", "k8s_container_name", "component", "workload", "job"},
			"discover_log_levels":         true,
			"log_level_fields":            []string{"level", "LEVEL", "Level", "severity", "SEVERITY", "Severity", "lvl", "LVL", "Lvl"},
			"max_entries_limit_per_query": c.MaxEntries,
			"max_query_series":            c.MaxSeries,
			"max_query_length":            c.MaxQueryRange.String(),
			"max_query_range":             c.MaxLookback.String(),
			"max_query_lookback":          "0s",
			"max_line_size_truncate":      false,
			"metric_aggregation_enabled":  false,
			"pattern_persistence_enabled": false,
			"query_timeout":               c.Timeout.String(),
			"retention_period":            "0s",
			"volume_enabled":              true,
			"volume_max_series":           a.cfg.MaxValues,
		},
		"pattern_ingester_enabled": true,
		"version":                  a.version,
		"maxDetectedFields":        a.cfg.DetectLines,
	})
}
