package compare

import "testing"

func TestCounts(t *testing.T) {
	tests := []struct {
		name  string
		count func([]byte) (int, error)
		body  string
		want  int
	}{
		{"lines", countLines, "{\"_msg\":\"a\"}\n{\"_msg\":\"b\"}\n", 2},
		{"streams", countLoki, `{"data":{"result":[{"values":[["1","a"],["2","b"]]},{"values":[["3","c"]]}]}}`, 3},
		{"no streams", countLoki, `{"data":{"result":[]}}`, 0},
		{"matrix", countMatrix, `{"data":{"result":[{"values":[[1,"2"],[61,"3"]]},{"values":[[1,"5"]]}]}}`, 10},
		{"Jaeger's spans", countJaegerSpans, `{"data":[{"spans":[{},{}]},{"spans":[{}]}]}`, 3},
		{"Jaeger's traces", countJaegerTraces, `{"data":[{"spans":[{},{}]},{"spans":[{}]}]}`, 2},
		{"Tempo's spans", countTempoSpans, `{"trace":{"resourceSpans":[{"scopeSpans":[{"spans":[{},{}]},{"spans":[{}]}]}]}}`, 3},
		{"Tempo's traces", countTempoTraces, `{"traces":[{},{}]}`, 2},
		{"a story", clewAsks()[IDAnywhere].count, `{"timeline":[{},{},{}]}`, 3},
	}
	for _, tt := range tests {
		if got, err := tt.count([]byte(tt.body)); err != nil || got != tt.want {
			t.Errorf("%s: %d, %v; want %d", tt.name, got, err, tt.want)
		}
		if tt.name == "lines" {
			continue
		}
		if _, err := tt.count([]byte("<html>")); err == nil {
			t.Errorf("%s: a page in place of JSON is no error", tt.name)
		}
	}
	if _, err := countMatrix([]byte(`{"data":{"result":[{"values":[[1,2]]}]}}`)); err == nil {
		t.Error("a sample that is no string is no error")
	}
}

func TestRatio(t *testing.T) {
	for _, tt := range []struct {
		clew, other float64
		want        string
	}{{1, 2, "0.50 x"}, {0, 2, "-"}, {1, 0, "-"}} {
		if got := ratio(tt.clew, tt.other); got != tt.want {
			t.Errorf("ratio(%v, %v) = %q, want %q", tt.clew, tt.other, got, tt.want)
		}
	}
}
