package servicemap_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/query/servicemap"
	"github.com/clewhq/clew/query/servicemap/health"
)

func drawn() *servicemap.Map {
	return &servicemap.Map{
		Nodes: []servicemap.Node{{ID: `a"b\c`, Type: servicemap.TypeService, Health: servicemap.HealthDown, Reasons: []health.Reason{{Text: "one"}, {Text: "two"}}}, {ID: "pg:db-1/x", Type: servicemap.TypeDatabase},
			{ID: "line\nbreak", Type: "new"}, {ID: "gone", Type: servicemap.TypeQueue, Change: servicemap.ChangeRemoved}},
		Edges: []servicemap.Edge{{Source: `a"b\c`, Target: "pg:db-1/x", Protocol: "db", Calls: 7, Errors: 1, Evidence: "spans", Before: &servicemap.Figures{Calls: 9}},
			{Source: `a"b\c`, Target: "line\nbreak", Protocol: "unknown", Calls: 1, Evidence: "logs"},
			{Source: `a"b\c`, Target: "gone", Protocol: "messaging", Evidence: "spans", Change: servicemap.ChangeRemoved}},
	}
}

func TestDOT(t *testing.T) {
	want := `digraph clew {
  rankdir=LR;
  node [fontname="sans-serif"];
  "a\"b\\c" [shape=box, color=red, tooltip="one; two"];
  "pg:db-1/x" [shape=cylinder];
  "line break" [shape=box];
  "gone" [shape=cds, color=gray, style=dotted];
  "a\"b\\c" -> "pg:db-1/x" [label="db, 7 calls, 1 error (before: 9)", color=orange];
  "a\"b\\c" -> "line break" [label="unknown, 1 call", style=dashed];
  "a\"b\\c" -> "gone" [label="messaging, 0 calls", color=gray, style=dotted];
}
`
	if got := drawn().DOT(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMermaid(t *testing.T) {
	want := `flowchart LR
  n0["a#quot;b\c"]
  n1[("pg:db-1/x")]
  n2["line break"]
  n3[["gone"]]
  n0 -->|"db, 7 calls, 1 error (before: 9)"| n1
  n0 -.->|"unknown, 1 call"| n2
  n0 -.->|"messaging, 0 calls"| n3
  classDef down stroke:red,stroke-width:3px
  class n0 down
`
	if got := drawn().Mermaid(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNodeGraph(t *testing.T) {
	g := mapOf(t, correlatetest.Shop(tenant), whole).NodeGraph()
	b, err := json.Marshal(g)
	if err != nil || len(g.Nodes) != 9 || len(g.Edges) != 8 {
		t.Fatalf("%s, %v", b, err)
	}
	for _, want := range []string{
		`{"id":"stock","title":"stock","subtitle":"service","mainstat":"1 call","secondarystat":"p95 16.0 ms","arc__ok":0,"arc__degraded":0,"arc__failed":1,"arc__unknown":0,"detail__health":"down","detail__reasons":"100% of 1 call failed, and there were none before","detail__calls":1,"detail__errors":1}`,
		`"source":"gateway","target":"audit","mainstat":"unknown, 1 call"`, `"detail__trace_id":"` + correlatetest.TraceHex + `"`,
	} {
		if !strings.Contains(string(b), want) && !strings.Contains(strings.ReplaceAll(string(b), `\u003e`, ">"), want) {
			t.Errorf("lacks %s:\n%s", want, b)
		}
	}
	ids := map[string]bool{}
	for _, e := range g.Edges {
		if ids[e.ID] {
			t.Errorf("%s twice", e.ID)
		}
		ids[e.ID] = true
	}
}
