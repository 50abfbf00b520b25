package workload

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// TestFormatsParse holds that every line is what its format promises, so that
// json, logfmt, pattern and regexp parsers have something real to work on.
func TestFormatsParse(t *testing.T) {
	nginx := regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+ - - \[[^]]+\] "[A-Z]+ \S+ HTTP/1\.1" \d{3} \d+ "-" "[^"]*" rt=\d+\.\d{3} request_id=\S+( trace_id=[0-9a-f]{32})?$`)
	logfmt := regexp.MustCompile(`^ts=\S+ level=(debug|info|warn|error) msg="[^"]*"( \w+=("[^"]*"|\S+))*$`)
	spring := regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [ A-Z]{5} \[[0-9a-f,]*\] 1 --- `)
	python := regexp.MustCompile(`^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] [A-Z]+ in app: `)
	w := newTest(t, nil)
	for i := range w.Requests() {
		s := w.Story(i)
		for _, l := range append(s.Logs, s.Background...) {
			if strings.HasPrefix(l.Body, "AUDIT") {
				continue
			}
			ok := false
			switch Services[l.Service].Language {
			case "cpp":
				ok = nginx.MatchString(l.Body)
			case "go":
				ok = logfmt.MatchString(l.Body)
			case "nodejs":
				ok = json.Valid([]byte(l.Body))
			case "java":
				ok = spring.MatchString(l.Body)
			case "python":
				ok = python.MatchString(l.Body)
			}
			if !ok {
				t.Fatalf("%s wrote %q", Services[l.Service].Name, l.Body)
			}
		}
	}
}
