package dashboards

// Health is what makes services unwell, beside their calls: what the map calls
// its reasons, over time.
func Health() *Dashboard {
	d := newDashboard("clew-health", "Health", "What makes services unwell: alerts, health checks, dependencies, restarts and events. The map of clew puts it on the services.")
	d.row("Now", 8,
		table("Alerts that fire", column{"alerts", "short", `sum by (alertname, service_name, service, severity) (ALERTS{alertstate="firing"})`}),
		table("Dependencies that are not well", column{"1 is well", "short", `min by (service_name, dependency_name) (health_dependency_status) < 1`}).
			about("What services' own health checks say: 0.5 is degraded, 0 is down."),
	)
	d.row("Health checks", 8,
		lines("What services say of themselves", "short", query{`min by (job) (health_status)`, "{{job}}"}).between(0, 1),
		lines("Checks that were answered well", "percentunit", query{`max by (http_url) (httpcheck_status{http_status_class=~"2xx|3xx"})`, "{{http_url}}"}).between(0, 1),
		lines("How long answers take", "ms", query{`max by (http_url) (httpcheck_duration_milliseconds)`, "{{http_url}}"}).fromZero(),
	)
	d.row("Pods", 8,
		lines("Restarts", "short",
			query{`sum by (k8s_namespace_name, k8s_pod_name) (increase(k8s_container_restarts[$__rate_interval])) > 0`, "{{k8s_namespace_name}}/{{k8s_pod_name}}"},
			query{`sum by (namespace, pod) (increase(kube_pod_container_status_restarts_total[$__rate_interval])) > 0`, "{{namespace}}/{{pod}}"}).fromZero(),
		logLine("Events of Kubernetes", "short", `sum by (k8s_event_reason) (count_over_time({service_name="kubernetes-events"} [$__auto]))`, "{{k8s_event_reason}}").stacked(),
	)
	d.row("", 10, logLines("Warnings of Kubernetes", `{service_name="kubernetes-events"} | detected_level="warn"`))
	return d
}
