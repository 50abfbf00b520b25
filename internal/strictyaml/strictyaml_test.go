package strictyaml

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

type inner struct {
	Listen string         `yaml:"http_listen"`
	Keep   model.Duration `yaml:"keep"`
	Limit  int            `yaml:"limit"`
}

type outer struct {
	Server inner            `yaml:"server"`
	Named  map[string]inner `yaml:"named"`
	List   []inner          `yaml:"list"`
}

func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestDecodeKeepsDefaultsAndExpands(t *testing.T) {
	got := outer{Server: inner{Listen: "default", Limit: 7}}
	err := Decode([]byte("server:\n  keep: ${KEEP}\n  limit: ${LIMIT:-9}\n"), &got, env("KEEP", "30d"))
	if err != nil {
		t.Fatal(err)
	}
	want := inner{Listen: "default", Limit: 9, Keep: model.Duration(30 * 24 * time.Hour)}
	if got.Server != want {
		t.Errorf("got %+v, want %+v", got.Server, want)
	}
}

func TestAValueNeverChangesTheStructure(t *testing.T) {
	var got outer
	if err := Decode([]byte("server: {http_listen: '${X}'}"), &got, env("X", "a, limit: 5}")); err != nil {
		t.Fatal(err)
	}
	if got.Server.Listen != "a, limit: 5}" || got.Server.Limit != 0 {
		t.Errorf("got %+v", got.Server)
	}
}

func TestWrongInput(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"near key", "server:\n  http_lisen: x", `line 2: unknown key "server.http_lisen"; did you mean "server.http_listen"?`},
		{"far key", "bananas: 1", `line 1: unknown key "bananas"; known here: list, named, server`},
		{"in a map", "named: {a: {limt: 1}}", `did you mean "named.a.limit"?`},
		{"in a list", "list: [{limi: 1}]", `did you mean "list[0].limit"?`},
		{"unset variable", "server: {http_listen: '${NOPE}'}", "line 1: the environment variable NOPE is not set"},
		{"wrong type", "server: {limit: many}", "cannot unmarshal"},
		{"doubled key", "server: {limit: 1, limit: 2}", "already defined"},
		{"not YAML", "server: [", "read YAML"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got outer
			err := Decode([]byte(c.yaml), &got, env())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestHas(t *testing.T) {
	data := []byte("auth: {type: none}\n")
	if !Has(data, "auth", "type") || Has(data, "auth", "kind") || Has(nil, "auth") {
		t.Error("Has tells keys that are written from keys that are not")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("server: {http_listen: ${A:-b}}")
	f.Add("list: [{limit: 1}, {x: 2}]")
	f.Fuzz(func(t *testing.T, s string) {
		var got outer
		_ = Decode([]byte(s), &got, env())
	})
}
