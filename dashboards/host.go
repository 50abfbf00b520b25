package dashboards

// Hosts is the hosts as their agents see them: the metrics of the receiver
// host_metrics, under the names that OTLP gets in Prometheus. A host is the
// instance of its series.
func Hosts() *Dashboard {
	d := newDashboard("clew-hosts", "Hosts", "CPU, memory, disks, network and processes of every host with an agent.")
	d.choose("host", "system_memory_usage_bytes", "instance")

	d.row("", 5,
		bars("CPU", "percentunit", `1 - sum by (instance) (rate(system_cpu_time_seconds_total{instance=~"$host", state="idle"}[$__rate_interval])) / sum by (instance) (rate(system_cpu_time_seconds_total{instance=~"$host"}[$__rate_interval]))`, "{{instance}}").between(0, 1).warnAt(.8, .95),
		bars("Memory", "percentunit", `sum by (instance) (system_memory_utilization_ratio{instance=~"$host", state="used"})`, "{{instance}}").between(0, 1).warnAt(.8, .95),
		bars("Fullest file system", "percentunit", `max by (instance) (system_filesystem_utilization_ratio{instance=~"$host"})`, "{{instance}}").between(0, 1).warnAt(.8, .9),
		number("Up for", "s", `min(system_uptime_seconds{instance=~"$host"})`).about("The host that started last."),
	)
	d.row("CPU and memory", 8,
		lines("CPU by state", "short", query{`sum by (state) (rate(system_cpu_time_seconds_total{instance=~"$host", state!="idle"}[$__rate_interval]))`, "{{state}}"}).
			stacked().about("In cores."),
		lines("Load", "short",
			query{`sum by (instance) (system_cpu_load_average_1m{instance=~"$host"})`, "{{instance}} 1m"},
			query{`sum by (instance) (system_cpu_load_average_5m{instance=~"$host"})`, "{{instance}} 5m"},
			query{`sum by (instance) (system_cpu_load_average_15m{instance=~"$host"})`, "{{instance}} 15m"},
			query{`sum by (instance) (system_cpu_logical_count{instance=~"$host"})`, "{{instance}} cores"}).fromZero(),
		lines("Memory by state", "bytes", query{`sum by (state) (system_memory_usage_bytes{instance=~"$host"})`, "{{state}}"}).stacked(),
	)
	d.row("Disks", 8,
		lines("Read and written", "Bps", query{`sum by (instance, device, direction) (rate(system_disk_io_bytes_total{instance=~"$host"}[$__rate_interval])) > 0`, "{{instance}} {{device}} {{direction}}"}).fromZero(),
		lines("Operations", "iops", query{`sum by (instance, device, direction) (rate(system_disk_operations_total{instance=~"$host"}[$__rate_interval])) > 0`, "{{instance}} {{device}} {{direction}}"}).fromZero(),
		lines("Busy", "percentunit", query{`sum by (instance, device) (rate(system_disk_io_time_seconds_total{instance=~"$host"}[$__rate_interval])) > 0`, "{{instance}} {{device}}"}).fromZero(),
	)
	d.row("", 8,
		table("File systems",
			column{"Used", "percentunit", `max by (instance, mountpoint, device, type) (system_filesystem_utilization_ratio{instance=~"$host"})`},
			column{"Size", "bytes", `sum by (instance, mountpoint, device, type) (system_filesystem_usage_bytes{instance=~"$host"})`},
			column{"Free", "bytes", `sum by (instance, mountpoint, device, type) (system_filesystem_usage_bytes{instance=~"$host", state="free"})`},
		).wide(14),
		lines("Paging", "ops", query{`sum by (instance, direction, type) (rate(system_paging_operations_total{instance=~"$host"}[$__rate_interval]))`, "{{instance}} {{type}} {{direction}}"}).fromZero(),
	)
	d.row("Network and processes", 8,
		lines("Received and sent", "Bps", query{`sum by (instance, device, direction) (rate(system_network_io_bytes_total{instance=~"$host", device!="lo"}[$__rate_interval])) > 0`, "{{instance}} {{device}} {{direction}}"}).fromZero(),
		lines("Errors and drops", "pps",
			query{`sum by (instance, device, direction) (rate(system_network_errors_total{instance=~"$host"}[$__rate_interval])) > 0`, "{{instance}} {{device}} {{direction}} errors"},
			query{`sum by (instance, device, direction) (rate(system_network_dropped_total{instance=~"$host"}[$__rate_interval])) > 0`, "{{instance}} {{device}} {{direction}} dropped"}).fromZero(),
		lines("Processes", "short", query{`sum by (status) (system_processes_count{instance=~"$host"})`, "{{status}}"}).stacked(),
	)
	d.row("Logs", 10,
		logLines("Warnings and errors of the hosts", `{service_name=~".+"} | host_name=~"$host" | detected_level=~"warn|error|critical|fatal"`),
	)
	return d
}
