package healthcheck

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func (r report) String() string {
	var b strings.Builder
	if r.known {
		fmt.Fprintf(&b, "itself=%g", r.status)
	}
	for _, d := range r.dependencies {
		fmt.Fprintf(&b, ", %s=%g", d.name, d.status)
		if d.typ+d.address != "" {
			fmt.Fprintf(&b, " (%s at %s)", d.typ, d.address)
		}
	}
	return b.String()
}

// The answers of frameworks, as they write them.
func TestReports(t *testing.T) {
	want := map[string]string{
		"spring.json":   "itself=0, db=0, diskSpace=1, mail=0, mongo=1, payment=0 ( at http://payment:8080/health), redis=1",
		"spring-1.json": "itself=0, db=0 (MySQL at ), diskSpace=1, refreshScope=1",
		"aspnet.json":   "itself=0.5, basket-api=0, rabbitmq=0.5, sqlserver=1 ( at sql-1.internal)",
		"ietf.json":     "itself=0, cassandra=0 (datastore at ), uptime=1 (system at )",
		"microprofile.json": "itself=0, Database connections health check=1 ( at jdbc:postgresql://db-1:5432/orders), " +
			"SmallRye Reactive Messaging - liveness check=0",
		"terminus.json": "itself=0, cache=1, stock=0",
		"clew.json":     "itself=0.5, http://127.0.0.1:9093=0 (alertmanager at ), the local store=1 (storage at )",
		"words.json":    "itself=1, mail=0, orders=1, search=1, stock=0",
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := parse(body)
		if !ok || got.String() != want[filepath.Base(file)] {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", file, ok, got, want[filepath.Base(file)])
		}
	}
}

func TestNoReports(t *testing.T) {
	for _, body := range []string{"", "OK", "<html>", "[]", "[1]", "{}", `"up"`, "null", `{"status":"who knows"}`, `{"name":"x","value":{"a":1}}`, `{"status":0}`, `{"checks":7}`} {
		if r, ok := parse([]byte(body)); ok {
			t.Errorf("%s says %v", body, r)
		}
	}
}

// An answer is somebody else's: whatever it is, what becomes of it is bounded.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`{"components":{"` + strings.Repeat("ä", maxNameBytes) + `":"up"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, _ := parse(body)
		names := []string{}
		for _, d := range r.dependencies {
			if d.name == "" || len(d.name) > maxNameBytes || d.status < down || d.status > well || slices.Contains(names, d.name) {
				t.Errorf("%q: %+v", body, d)
			}
			names = append(names, d.name)
		}
		if len(names) > maxDependencies || r.status < down || r.status > well {
			t.Errorf("%q: %v", body, r)
		}
	})
}
