package dashboards

// What the services do is read from the metrics that clew derives from the
// stored spans, so it is whole also for services that send no metrics.
const (
	served       = `traces_spanmetrics_calls_total{span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER", service=~"$service"}`
	servedFailed = `traces_spanmetrics_calls_total{span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER", service=~"$service", status_code="STATUS_CODE_ERROR"}`
	latency      = `traces_spanmetrics_latency_bucket{span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER", service=~"$service"}`
)

// Overview is all services at a glance: how much, how well, how fast, who
// calls whom, what they log, and how clew itself is.
func Overview() *Dashboard {
	d := newDashboard("clew-overview", "Overview", "All services: requests, errors, latency, map, logs, and clew itself.")
	d.choose("service", "traces_spanmetrics_calls_total", "service")

	d.row("", 4,
		number("Requests", "reqps", `sum(rate(`+served+`[$__rate_interval]))`),
		number("Errors", "percentunit", `sum(rate(`+servedFailed+`[$__rate_interval])) / sum(rate(`+served+`[$__rate_interval]))`).warnAt(.01, .05),
		number("95th percentile", "s", `histogram_quantile(0.95, sum by (le) (rate(`+latency+`[$__rate_interval])))`).warnAt(1, 3),
		number("Services", "short", `count(count by (service) (`+served+`))`),
		number("Log records", "short", `sum(rate(clew_collector_received_records_total{signal="logs"}[$__rate_interval]))`).about("Received per second, of all services."),
	)
	d.row("Services", 8,
		lines("Requests by service", "reqps", query{`sum by (service) (rate(` + served + `[$__rate_interval]))`, "{{service}}"}).fromZero(),
		lines("Errors by service", "percentunit", query{
			`sum by (service) (rate(` + servedFailed + `[$__rate_interval])) / sum by (service) (rate(` + served + `[$__rate_interval]))`, "{{service}}"}).fromZero(),
		lines("95th percentile by service", "s", query{
			`histogram_quantile(0.95, sum by (service, le) (rate(` + latency + `[$__rate_interval])))`, "{{service}}"}).fromZero().exemplars(),
	)
	d.row("", 12,
		serviceGraph("Who calls whom").wide(14),
		table("Operations",
			column{"Requests", "reqps", `sum by (service, span_name) (rate(` + served + `[$__range]))`},
			column{"Errors", "reqps", `sum by (service, span_name) (rate(` + servedFailed + `[$__range]))`},
			column{"95th percentile", "s", `histogram_quantile(0.95, sum by (service, span_name, le) (rate(` + latency + `[$__range])))`},
		),
	)
	d.row("Logs", 7,
		logVolume("Log records by level", `sum by (detected_level) (count_over_time({service_name=~"$service"} [$__auto]))`, "{{detected_level}}"),
	)
	d.row("", 10,
		logLines("Errors", `{service_name=~"$service"} | detected_level=~"error|critical|fatal"`).about("A line opens its trace."),
	)
	clewRows(d)
	return d
}

// clewRows show clew's own health, from the metrics it stores of itself.
func clewRows(d *Dashboard) {
	d.row("clew itself", 7,
		lines("Received", "cps", query{`sum by (signal) (rate(clew_collector_received_records_total[$__rate_interval]))`, "{{signal}}"}).
			fromZero().about("Log records, spans and samples per second."),
		lines("Refused", "cps", query{`sum by (signal, reason) (rate(clew_collector_rejected_records_total[$__rate_interval]))`, "{{signal}}: {{reason}}"}).
			fromZero().about("Records that were wrong by themselves; the rest of their requests was kept."),
		lines("Wait for the disk", "s",
			query{`histogram_quantile(0.99, sum by (le) (rate(clew_storage_fsync_duration_seconds_bucket[$__rate_interval])))`, "99th percentile"},
			query{`histogram_quantile(0.5, sum by (le) (rate(clew_storage_fsync_duration_seconds_bucket[$__rate_interval])))`, "median"}).
			fromZero().about("Nothing is acknowledged before it is on the disk."),
	)
	d.row("", 7,
		lines("Answers", "s", query{
			`histogram_quantile(0.95, sum by (route, le) (rate(clew_http_request_duration_seconds_bucket[$__rate_interval])))`, "{{route}}"}).
			fromZero().about("95th percentile of the time to answer."),
		lines("Not in segments yet", "bytes", query{`sum(clew_storage_head_bytes)`, "head"}).fromZero(),
		lines("Stored", "bytes", query{`sum by (signal) (clew_storage_segment_bytes)`, "{{signal}}"}).stacked(),
	)
}
