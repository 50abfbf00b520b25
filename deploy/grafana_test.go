package deploy

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "copy into the chart what it shares with the rest")

// dataSources is what our provisioning uses of Grafana's.
type dataSources struct {
	APIVersion  int `yaml:"apiVersion"`
	Datasources []dataSource
}

type dataSource struct {
	Name, UID, Type, Access, URL string
	IsDefault                    bool `yaml:"isDefault"`
	JSONData                     struct {
		HTTPMethod        string `yaml:"httpMethod"`
		PrometheusType    string `yaml:"prometheusType"`
		PrometheusVersion string `yaml:"prometheusVersion"`
		Exemplars         []struct {
			Name, URL       string
			DatasourceUID   string `yaml:"datasourceUid"`
			URLDisplayLabel string `yaml:"urlDisplayLabel"`
		} `yaml:"exemplarTraceIdDestinations"`
		MaxLines      string `yaml:"maxLines"`
		DerivedFields []struct {
			Name, URL       string
			MatcherType     string `yaml:"matcherType"`
			MatcherRegex    string `yaml:"matcherRegex"`
			DatasourceUID   string `yaml:"datasourceUid"`
			URLDisplayLabel string `yaml:"urlDisplayLabel"`
		} `yaml:"derivedFields"`
		TracesToLogs     *target                `yaml:"tracesToLogsV2"`
		TracesToMetrics  *target                `yaml:"tracesToMetrics"`
		ServiceMap       *target                `yaml:"serviceMap"`
		NodeGraph        struct{ Enabled bool } `yaml:"nodeGraph"`
		Search           map[string]bool        `yaml:"search"`
		StreamingEnabled map[string]bool        `yaml:"streamingEnabled"`
		TraceQuery       map[string]bool        `yaml:"traceQuery"`
		SpanBar          map[string]string      `yaml:"spanBar"`
		TagLimit         int                    `yaml:"tagLimit"`
		TimeRangeForTags int                    `yaml:"timeRangeForTags"`
	} `yaml:"jsonData"`
	Correlations []struct {
		Label, Description, Type string
		Config                   struct {
			Field  string
			Target struct{ URL string }
		}
	}
}

// target is a link to another data source.
type target struct {
	Name               string
	DatasourceUID      string `yaml:"datasourceUid"`
	SpanStartTimeShift string `yaml:"spanStartTimeShift"`
	SpanEndTimeShift   string `yaml:"spanEndTimeShift"`
	FilterByTraceID    bool   `yaml:"filterByTraceID"`
	FilterBySpanID     bool   `yaml:"filterBySpanID"`
	CustomQuery        bool   `yaml:"customQuery"`
	Tags               []struct{ Key, Value string }
	Queries            []struct{ Name, Query string }
}

const dataSourcesFile = "grafana/provisioning/datasources/clew.yaml"

func TestDataSourcesAreLinked(t *testing.T) {
	var file dataSources
	strict(t, dataSourcesFile, &file)
	byType, types := map[string]dataSource{}, map[string]string{}
	for _, d := range file.Datasources {
		byType[d.Type], types[d.UID] = d, d.Type
	}
	paths := map[string]string{"prometheus": "/prometheus", "loki": "", "tempo": "/tempo", "jaeger": "/jaeger"}
	for typ, path := range paths {
		if got := byType[typ].URL; got != "http://clew:2539"+path {
			t.Errorf("%s is at %q, want http://clew:2539%s", typ, got, path)
		}
	}
	prom, loki, tempo, jaeger := byType["prometheus"].JSONData, byType["loki"].JSONData, byType["tempo"].JSONData, byType["jaeger"].JSONData
	if len(prom.Exemplars) != 3 || len(loki.DerivedFields) != 4 || tempo.TracesToLogs == nil ||
		tempo.TracesToMetrics == nil || tempo.ServiceMap == nil || jaeger.TracesToLogs == nil {
		t.Fatal("a link is missing")
	}
	links := []struct{ what, uid, want string }{
		{"exemplar to trace", prom.Exemplars[0].DatasourceUID, "tempo"},
		{"log to trace", loki.DerivedFields[0].DatasourceUID, "tempo"},
		{"trace to logs", tempo.TracesToLogs.DatasourceUID, "loki"},
		{"trace to metrics", tempo.TracesToMetrics.DatasourceUID, "prometheus"},
		{"service map", tempo.ServiceMap.DatasourceUID, "prometheus"},
		{"Jaeger trace to logs", jaeger.TracesToLogs.DatasourceUID, "loki"},
	}
	for _, l := range links {
		if types[l.uid] != l.want {
			t.Errorf("%s leads to %q, a %q: want a %s", l.what, l.uid, types[l.uid], l.want)
		}
	}
	field := loki.DerivedFields[0]
	if field.MatcherType != "label" || field.MatcherRegex != "^trace_id$" || field.URL != "$${__value.raw}" {
		t.Errorf("the line's trace is read by %+v", field)
	}
	const story = "$CLEW_WEB_URL/#/id/$${__value.raw}"
	for typ, field := range map[string]string{"tempo": "traceID", "jaeger": "traceID", "loki": "trace_id", "prometheus": "trace_id"} {
		if c := byType[typ].Correlations; len(c) != 1 || c[0].Type != "external" || c[0].Config.Field != field || c[0].Config.Target.URL != story {
			t.Errorf("%s finds the story of its %s by %+v", typ, field, c)
		}
	}
	if len(file.Datasources) != len(paths) {
		t.Errorf("%d data sources, of which %d are tested to lead to stories", len(file.Datasources), len(paths))
	}
	for _, x := range prom.Exemplars[1:] {
		if x.URL != story {
			t.Errorf("an exemplar's %s leads to %q", x.Name, x.URL)
		}
	}
	if !strings.Contains(string(read(t, "compose/compose.yaml")), "CLEW_WEB_URL:") {
		t.Error("the compose file does not say where clew's web interface is")
	}
	for i, want := range map[int]map[string]string{
		1: {"trace_id": "trace_id", "requestId": "requestId", "correlation_id": "correlation_id", "orderid": "orderid", "span_id": "", "video": ""},
		2: {`request_id=req-8f3a2b done`: "req-8f3a2b", `{"orderId": "A-17"}`: "A-17", `{\"reqId\":\"8f3a\"}`: "8f3a", `X-Correlation-ID: c-1`: "c-1", "all is well": ""},
		3: {`"6f1a6f2e-3b0c-4a9d-9b77-0f4a5f0c9e11"`: "6f1a6f2e-3b0c-4a9d-9b77-0f4a5f0c9e11", "of 4bf92f3577b34da6a3ce929d0e0e4736.": "4bf92f3577b34da6a3ce929d0e0e4736",
			"(req-8f3a2b)": "req-8f3a2b", "ORD_17": "ORD_17", "[req-9bc36dd9-91c5-4314-898a-47625eb93b09 -": "req-9bc36dd9-91c5-4314-898a-47625eb93b09",
			"request-body": "", "x4bf92f3577b34da6a3ce929d0e0e4736": "", "ordinary-17": ""},
	} {
		field := loki.DerivedFields[i]
		re, err := regexp.Compile(field.MatcherRegex)
		if err != nil || field.URL != story {
			t.Errorf("%+v: %v", field, err)
			continue
		}
		for text, id := range want {
			got := ""
			if m := re.FindStringSubmatch(text); m != nil && i == 1 {
				got = text
			} else if m != nil {
				got = m[1]
			}
			if got != id {
				t.Errorf("%s reads %q from %s, want %q", field.Name, got, text, id)
			}
		}
	}
	for _, tag := range tempo.TracesToLogs.Tags {
		if tag.Key != "service.name" || tag.Value != "service_name" {
			t.Errorf("a trace finds its logs by %s = %s", tag.Key, tag.Value)
		}
	}
	for _, q := range tempo.TracesToMetrics.Queries {
		if !strings.Contains(q.Query, "$$__tags") {
			t.Errorf("query %s of a trace does not use its tags: %s", q.Name, q.Query)
		}
	}
}

// TestDashboardProvider holds that dashboards are read from where the compose
// file mounts them.
func TestDashboardProvider(t *testing.T) {
	var file struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type string
			AllowUIUpdates     bool `yaml:"allowUiUpdates"`
			Options            struct{ Path string }
		}
	}
	strict(t, "grafana/provisioning/dashboards/clew.yaml", &file)
	compose := string(read(t, "compose/compose.yaml"))
	for _, p := range file.Providers {
		if !strings.Contains(compose, "/dashboards/json:"+p.Options.Path+":ro") {
			t.Errorf("dashboards are read from %s, where nothing is mounted", p.Options.Path)
		}
	}
}

// TestChartCopies holds that the chart's files are those that everybody else
// uses: helm reads nothing from outside of a chart. With -update it copies them.
func TestChartCopies(t *testing.T) {
	copies := map[string]string{"helm/clew/files/datasources.yaml": dataSourcesFile}
	for dir, pattern := range map[string]string{"rules": "rules/*.yaml", "dashboards": "../dashboards/json/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("nothing at %s: %v", pattern, err)
		}
		for _, f := range files {
			copies[filepath.Join("helm/clew/files", dir, filepath.Base(f))] = f
		}
	}
	for dst, src := range copies {
		if *update {
			if err := os.WriteFile(dst, read(t, src), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(dst); err != nil || string(got) != string(read(t, src)) {
			t.Errorf("%s is not %s (%v): run go generate ./deploy", dst, src, err)
		}
	}
	for _, pattern := range []string{"helm/clew/files/*.yaml", "helm/clew/files/*/*"} {
		there, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range there {
			if copies[f] == "" {
				t.Errorf("%s is a copy of nothing", f)
			}
		}
	}
}
