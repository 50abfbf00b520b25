package dashboards

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/clewhq/clew/query/logql/syntax"
)

var update = flag.Bool("update", false, "rewrite the committed JSON")

// TestJSON holds that what is committed is what the code generates.
func TestJSON(t *testing.T) {
	for name, d := range All() {
		got, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("json", name+".json")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what the code generates: run go generate ./dashboards", path)
		}
	}
	files, err := filepath.Glob("json/*.json")
	if err != nil || len(files) != len(All()) {
		t.Errorf("%d files for %d dashboards, error %v", len(files), len(All()), err)
	}
}

// fill puts values where Grafana would.
var fill = strings.NewReplacer(
	"$__rate_interval", "5m", "$__range", "1h", "$__auto", "1m", "$service", "checkout", "$host", "node-1",
)

func TestQueriesParse(t *testing.T) {
	promql := parser.NewParser(parser.Options{})
	count := map[string]int{}
	for name, d := range All() {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				expr := fill.Replace(target.Expr)
				if strings.Contains(expr, "$") {
					t.Errorf("%s, panel %q: %q uses a variable that nobody fills", name, p.Title, target.Expr)
				}
				count[target.Datasource.Type]++
				var err error
				switch target.Datasource.Type {
				case "prometheus":
					_, err = promql.ParseExpr(expr)
				case "loki":
					_, err = syntax.Parse(expr)
				case "tempo":
					if target.QueryType != "serviceMap" {
						t.Errorf("%s, panel %q asks Tempo for %q", name, p.Title, target.QueryType)
					}
				}
				if err != nil {
					t.Errorf("%s, panel %q: %v\n%s", name, p.Title, err, expr)
				}
			}
		}
	}
	for _, typ := range []string{"prometheus", "loki", "tempo"} {
		if count[typ] == 0 {
			t.Errorf("no panel asks %s", typ)
		}
	}
}

func TestPanelsFitTheGrid(t *testing.T) {
	for name, d := range All() {
		taken := map[[2]int]string{}
		ids := map[int]bool{}
		for _, p := range d.Panels {
			g := p.GridPos
			if g.W < 1 || g.H < 1 || g.X+g.W > gridWidth {
				t.Errorf("%s: panel %q stands at %+v", name, p.Title, g)
			}
			if ids[p.ID] {
				t.Errorf("%s: panel %q has the ID %d of another", name, p.Title, p.ID)
			}
			ids[p.ID] = true
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" {
						t.Fatalf("%s: panels %q and %q overlap", name, other, p.Title)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

// TestSourcesAreProvisioned holds that the variables name data sources that
// the provisioning has, and that all panels use the variables.
func TestSourcesAreProvisioned(t *testing.T) {
	provisioned, err := os.ReadFile("../deploy/grafana/provisioning/datasources/clew.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range All() {
		variables := map[string]bool{}
		for _, v := range d.Templating.List {
			variables["${"+v.Name+"}"] = true
			if v.Type == "datasource" && !strings.Contains(string(provisioned), "\n    uid: "+v.Current.Value.(string)+"\n") {
				t.Errorf("%s: data source %v is not provisioned", name, v.Current.Value)
			}
		}
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				if !variables[target.Datasource.UID] || target.Datasource.UID != p.Datasource.UID {
					t.Errorf("%s, panel %q asks %s", name, p.Title, target.Datasource.UID)
				}
			}
		}
	}
}

// TestIDsLeadToTheirStories holds that whatever ID a panel shows can be
// clicked, and that every dashboard has a way for one that is typed in.
func TestIDsLeadToTheirStories(t *testing.T) {
	re := regexp.MustCompile("(?i)" + strings.TrimSuffix(strings.TrimPrefix(idFields, "/"), "/i"))
	for field, want := range map[string]bool{"trace_id": true, "traceID": true, "Trace ID": true, "request_id": true, "order.id": true, "dd.trace_id": true, "session-id": true, "parentSpanID": true,
		"service": false, "Value #A": false, "order": false, "video": false} {
		if re.MatchString(field) != want {
			t.Errorf("a field %q is taken for an ID: %v", field, !want)
		}
	}
	for name, d := range All() {
		variables := ""
		for _, v := range d.Templating.List {
			variables += " ${" + v.Name + "}"
		}
		if !slices.ContainsFunc(d.Links, func(l Link) bool { return l.URL == "${clew}/#/id/${id}" }) || !strings.Contains(variables, "${clew}") || !strings.Contains(variables, "${id}") {
			t.Errorf("%s leads to no story: %+v, variables %s", name, d.Links, variables)
		}
		for _, p := range d.Panels {
			if p.Type == "row" {
				continue
			}
			o := p.FieldConfig.Overrides[0]
			if links, ok := o.Properties[0].Value.([]DataLink); !ok || o.Matcher.Options != idFields || links[0].URL != "${clew}/#/id/${__value.raw}" {
				t.Errorf("%s, panel %q: IDs lead nowhere: %+v", name, p.Title, o)
			}
		}
	}
}

func TestUIDs(t *testing.T) {
	valid := regexp.MustCompile(`^[a-z0-9-]{1,40}$`) // Grafana's limit
	seen := map[string]bool{}
	for name, d := range All() {
		if !valid.MatchString(d.UID) || seen[d.UID] {
			t.Errorf("%s has the UID %q", name, d.UID)
		}
		seen[d.UID] = true
		raw, err := d.JSON()
		if err != nil || !json.Valid(raw) {
			t.Errorf("%s does not render: %v", name, err)
		}
	}
}
