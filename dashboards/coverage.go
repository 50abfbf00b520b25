package dashboards

// Coverage is how well signals join: which service to instrument next. The
// exact figures of a range are those of `clew coverage`; here is their course.
func Coverage() *Dashboard {
	const (
		all    = `{service_name=~"$service"}`
		traced = all + ` | trace_id != ""`
		joined = all + ` | clew_trace_source != ""`
	)
	d := newDashboard("clew-coverage", "Coverage", "How well logs and traces join, by service: which one to instrument next.")
	d.choose("service", "traces_spanmetrics_calls_total", "service")
	d.row("Logs", 8,
		logLine("Log records with a trace", "percentunit", `sum by (service_name) (count_over_time(`+traced+` [$__auto])) / sum by (service_name) (count_over_time(`+all+` [$__auto]))`, "{{service_name}}").
			between(0, 1).about("The share that carries a trace ID, sent or found in its text."),
		logLine("Joined by their text", "short", `sum by (service_name) (count_over_time(`+joined+` [$__auto]))`, "{{service_name}}").
			fromZero().about("Records that came without a trace and named one in their text."),
	)
	d.row("", 8,
		logLine("Log records without a trace", "short", `sum by (service_name) (count_over_time(`+all+` | trace_id = "" [$__auto]))`, "{{service_name}}").stacked(),
		lines("Joined, all services", "cps", query{`sum(rate(clew_collector_joined_records_total[$__rate_interval]))`, "joined"}).fromZero(),
	)
	d.row("Traces", 8,
		lines("Spans of calls and of work", "short",
			query{`sum(increase(traces_spanmetrics_calls_total{span_kind="SPAN_KIND_CLIENT", service=~"$service"}[$__range]))`, "client"},
			query{`sum(increase(traces_spanmetrics_calls_total{span_kind="SPAN_KIND_SERVER", service=~"$service"}[$__range]))`, "server"}).
			fromZero().about("Far fewer servers than clients: calls go to what sends no spans, or lose their context."),
		lines("Requests that come from a user", "percentunit", query{
			`sum by (server) (increase(traces_service_graph_request_total{client="user", server=~"$service"}[$__range])) / sum by (server) (increase(traces_service_graph_request_total{server=~"$service"}[$__range]))`, "{{server}}"}).
			between(0, 1).about("Traces that begin at the service. High where another service calls it: that one does not pass the context on."),
	)
	d.row("", 10,
		logLines("Lines without a trace", all+` | trace_id = ""`).about("What a service writes without saying for which request."),
	)
	return d
}

// logLine is a graph over time of a LogQL query.
func logLine(title, unit, expr, legend string) Panel {
	p := lines(title, unit, query{expr, legend})
	p.Datasource = logs
	p.Targets[0].Datasource, p.Targets[0].QueryType, p.Targets[0].Range = logs, "range", false
	return p
}
