package dashboards

import "fmt"

// The data sources, behind variables so that a dashboard works wherever it is
// imported. The UIDs are those that deploy/grafana provisions.
var (
	metrics = &Source{"prometheus", "${metrics}"}
	logs    = &Source{"loki", "${logs}"}
	traces  = &Source{"tempo", "${traces}"}
)

const (
	gridWidth     = 24
	schemaVersion = 41
)

// newDashboard returns an empty dashboard with the data sources' variables.
func newDashboard(uid, title, description string) *Dashboard {
	d := &Dashboard{
		UID: uid, Title: title, Description: description, Tags: []string{"clew"},
		SchemaVersion: schemaVersion, GraphTooltip: 1, Refresh: "30s",
		Time:        TimeRange{"now-1h", "now"},
		Annotations: Annotations{List: []struct{}{}},
		Links: []Link{{
			Title: "clew", Type: "dashboards", Tags: []string{"clew"}, AsDropdown: true, KeepTime: true,
		}, {
			Title: "Story of the ID", Type: "link", Icon: "external link", Tooltip: "Everything that happened to the ID above",
			URL: storyOf + "${id}", TargetBlank: true, Tags: []string{},
		}},
	}
	for _, v := range []struct{ name, typ, text, uid string }{
		{"metrics", "prometheus", "clew metrics", "clew-prometheus"},
		{"logs", "loki", "clew logs", "clew-loki"},
		{"traces", "tempo", "clew traces", "clew-tempo"},
	} {
		d.Templating.List = append(d.Templating.List, Variable{
			Name: v.name, Label: v.name, Type: "datasource", Query: v.typ, Refresh: 1,
			Current: VariableValue{v.text, v.uid},
		})
	}
	d.Templating.List = append(d.Templating.List,
		Variable{Name: "id", Label: "ID", Type: "textbox", Query: "", Current: VariableValue{"", ""}},
		// Where browsers reach clew: a dashboard that is provisioned knows of no environment.
		Variable{Name: "clew", Label: "clew", Type: "textbox", Query: webAddress, Current: VariableValue{webAddress, webAddress}})
	return d
}

// Where the web interface is by default, and its page of an ID's story.
const (
	webAddress = "http://127.0.0.1:2539"
	storyOf    = "${clew}/#/id/"
)

// idFields match the names of fields that hold an ID, in the answers of all
// data sources.
const idFields = `/^((parent|dd|otel)[._ ]?)?(trace|span|request|req|correlation|transaction|order|session|message)[._ -]?id$/i`

// linkIDs makes every ID that a panel shows a way to its story.
func (p Panel) linkIDs() Panel {
	if p.FieldConfig == nil {
		p.FieldConfig = &FieldConfig{}
	}
	p.FieldConfig.Overrides = append([]Override{{
		Matcher:    Matcher{"byRegexp", idFields},
		Properties: []Property{{"links", []DataLink{{Title: "Story", URL: storyOf + "${__value.raw}", TargetBlank: true}}}},
	}}, p.FieldConfig.Overrides...)
	return p
}

// choose adds a variable whose values are those of a label.
func (d *Dashboard) choose(name, metric, label string) {
	query := fmt.Sprintf("label_values(%s, %s)", metric, label)
	d.Templating.List = append(d.Templating.List, Variable{
		Name: name, Label: name, Type: "query", Datasource: metrics, Definition: query,
		Query:   map[string]any{"query": query, "refId": "values", "qryType": 1},
		Current: VariableValue{[]string{"All"}, []string{"$__all"}},
		Refresh: 2, Sort: 1, Multi: true, IncludeAll: true,
		// Not .*: Loki wants a selector that does not match everything.
		AllValue: ".+",
	})
}

// row adds a heading and, below it, panels side by side, height units high.
// A panel's width is kept where it has one; the others share what is left.
func (d *Dashboard) row(title string, height int, panels ...Panel) {
	y := d.bottom()
	if title != "" {
		collapsed := false
		d.add(Panel{Type: "row", Title: title, GridPos: GridPos{H: 1, W: gridWidth, Y: y}, Collapsed: &collapsed, Panels: &[]Panel{}})
		y++
	}
	left, open := gridWidth, 0
	for _, p := range panels {
		left -= p.GridPos.W
		if p.GridPos.W == 0 {
			open++
		}
	}
	x := 0
	for _, p := range panels {
		if p.GridPos.W == 0 {
			p.GridPos.W = left / open
			left -= p.GridPos.W
			open--
		}
		p.GridPos.X, p.GridPos.Y, p.GridPos.H = x, y, height
		x += p.GridPos.W
		d.add(p)
	}
}

func (d *Dashboard) add(p Panel) {
	if p.Datasource != nil {
		p = p.linkIDs()
	}
	p.ID = len(d.Panels) + 1
	d.Panels = append(d.Panels, p)
}

// bottom is the first free line of the grid.
func (d *Dashboard) bottom() int {
	y := 0
	for _, p := range d.Panels {
		y = max(y, p.GridPos.Y+p.GridPos.H)
	}
	return y
}

// wide gives a panel a width.
func (p Panel) wide(columns int) Panel {
	p.GridPos.W = columns
	return p
}

// about adds the text behind a panel's question mark.
func (p Panel) about(text string) Panel {
	p.Description = text
	return p
}

// between fixes the ends of a panel's axis.
func (p Panel) between(low, high float64) Panel {
	p.FieldConfig.Defaults.Min, p.FieldConfig.Defaults.Max = &low, &high
	return p
}

// fromZero begins a panel's axis at zero.
func (p Panel) fromZero() Panel {
	zero := 0.0
	p.FieldConfig.Defaults.Min = &zero
	return p
}

// stacked puts a panel's lines on top of each other.
func (p Panel) stacked() Panel {
	p.FieldConfig.Defaults.Custom["stacking"] = map[string]any{"mode": "normal", "group": "A"}
	p.FieldConfig.Defaults.Custom["fillOpacity"] = 40
	return p.fromZero()
}

// warnAt colours a panel's value.
func (p Panel) warnAt(warn, bad float64) Panel {
	p.FieldConfig.Defaults.Thresholds = &Thresholds{"absolute", []Threshold{
		{"green", nil}, {"orange", &warn}, {"red", &bad},
	}}
	return p
}

// query is a PromQL or LogQL query and the name of its lines.
type query struct{ expr, legend string }

// lines is a graph over time of PromQL queries.
func lines(title, unit string, queries ...query) Panel {
	p := Panel{
		Type: "timeseries", Title: title, Datasource: metrics,
		FieldConfig: &FieldConfig{Defaults: FieldDefaults{
			Unit: unit, Color: map[string]any{"mode": "palette-classic"},
			Custom: map[string]any{"lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": false},
		}, Overrides: []Override{}},
		Options: map[string]any{
			"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true},
			"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
		},
	}
	for i, q := range queries {
		p.Targets = append(p.Targets, Target{
			RefID: refID(i), Datasource: metrics, Expr: q.expr, LegendFormat: q.legend, Range: true,
		})
	}
	return p
}

// exemplars shows a graph's exemplars, each a way to its trace.
func (p Panel) exemplars() Panel {
	for i := range p.Targets {
		p.Targets[i].Exemplar = true
	}
	return p
}

// number is one big figure with its course behind it.
func number(title, unit, expr string) Panel {
	p := lines(title, unit, query{expr, ""})
	p.Type = "stat"
	p.FieldConfig.Defaults.Custom = nil
	p.FieldConfig.Defaults.NoValue = "-"
	p.FieldConfig.Defaults.Color = map[string]any{"mode": "thresholds"}
	p.FieldConfig.Defaults.Thresholds = &Thresholds{"absolute", []Threshold{{"blue", nil}}}
	p.Options = map[string]any{
		"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		"graphMode":     "area", "colorMode": "value", "textMode": "auto",
	}
	return p
}

// bars is a bar for every series, as they are now.
func bars(title, unit, expr, legend string) Panel {
	p := number(title, unit, expr)
	p.Type = "bargauge"
	p.Targets[0].LegendFormat = legend
	p.Targets[0].Instant, p.Targets[0].Range = true, false
	p.Options = map[string]any{
		"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		"orientation":   "horizontal", "displayMode": "gradient", "showUnfilled": true,
	}
	return p
}

// table is a line for every series, as they are now. Columns come from several
// queries, joined by their labels; units are by column.
func table(title string, columns ...column) Panel {
	p := Panel{
		Type: "table", Title: title, Datasource: metrics,
		FieldConfig: &FieldConfig{Defaults: FieldDefaults{Custom: map[string]any{"filterable": true}}, Overrides: []Override{}},
		Options:     map[string]any{"showHeader": true, "sortBy": []map[string]any{{"displayName": columns[0].name, "desc": true}}},
	}
	names := map[string]any{}
	for i, c := range columns {
		p.Targets = append(p.Targets, Target{RefID: refID(i), Datasource: metrics, Expr: c.expr, Format: "table", Instant: true})
		names["Value #"+refID(i)] = c.name
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, Override{
			Matcher: Matcher{"byName", c.name}, Properties: []Property{{"unit", c.unit}},
		})
	}
	p.Transformations = []Transformation{
		{ID: "merge", Options: map[string]any{}},
		{ID: "organize", Options: map[string]any{"excludeByName": map[string]any{"Time": true}, "renameByName": names}},
	}
	return p
}

// column is a column of a table.
type column struct{ name, unit, expr string }

// logLines shows the lines of a LogQL query.
func logLines(title, expr string) Panel {
	const most = 200
	return Panel{
		Type: "logs", Title: title, Datasource: logs,
		Targets: []Target{{RefID: "A", Datasource: logs, Expr: expr, QueryType: "range", MaxLines: most}},
		Options: map[string]any{
			"showTime": true, "wrapLogMessage": true, "enableLogDetails": true, "dedupStrategy": "none", "sortOrder": "Descending",
		},
	}
}

// logVolume is a graph over time of a LogQL metric query.
func logVolume(title, expr, legend string) Panel {
	p := lines(title, "short", query{expr, legend}).stacked()
	p.Datasource = logs
	p.Targets[0].Datasource, p.Targets[0].Range, p.Targets[0].QueryType = logs, false, "range"
	p.FieldConfig.Defaults.Custom["drawStyle"] = "bars"
	p.FieldConfig.Defaults.Custom["fillOpacity"] = 80
	for _, c := range []struct{ level, color string }{
		{"fatal", "dark-purple"}, {"critical", "dark-purple"}, {"error", "red"}, {"warn", "orange"},
		{"info", "green"}, {"debug", "blue"}, {"trace", "light-blue"}, {"unknown", "gray"},
	} {
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, Override{
			Matcher:    Matcher{"byName", c.level},
			Properties: []Property{{"color", map[string]any{"mode": "fixed", "fixedColor": c.color}}},
		})
	}
	return p
}

// serviceGraph is Tempo's service map.
func serviceGraph(title string) Panel {
	return Panel{
		Type: "nodeGraph", Title: title, Datasource: traces,
		Targets: []Target{{RefID: "A", Datasource: traces, QueryType: "serviceMap"}},
		Options: map[string]any{},
	}
}

func refID(i int) string { return string(rune('A' + i)) }
