package correlation

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clewhq/clew/telemetry"
)

// contextOfText renders what is found in a line: trace, span and where.
func contextOfText(text string) string {
	return rendered(&telemetry.Log{Body: telemetry.String(text)})
}

func rendered(l *telemetry.Log) string {
	c, ok := FindContext(l)
	if !ok {
		return ""
	}
	return strings.Join(strings.Fields(fmt.Sprintf("%s %s (%s)", c.TraceID, c.SpanID, c.Source())), " ")
}

// The lines of testdata/join.txt are what services write in the formats that
// are common; below each stands what is found in it.
func TestJoinFormats(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "join.txt"))
	if err != nil {
		t.Fatal(err)
	}
	format, formats, n := "", map[string]int{}, 0
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if line == "" {
			continue
		}
		if name, ok := strings.CutPrefix(line, "# "); ok {
			format = name
			continue
		}
		text := strings.ReplaceAll(strings.ReplaceAll(line, `\\t`, "\t"), "<ESC>", "\x1b")
		i++
		want, ok := strings.CutPrefix(lines[i], "=> ")
		if !ok && lines[i] != "=>" {
			t.Fatalf("line %d: want => and the context, have %q", i+1, lines[i])
		}
		want = strings.TrimSpace(want)
		if lines[i] == "=>" {
			want = ""
		}
		if got := contextOfText(text); got != want {
			t.Errorf("%s: %s\n got %q\nwant %q", format, text, got, want)
		}
		formats[format]++
		n++
	}
	if len(formats) < 12 || n < 40 {
		t.Errorf("%d lines of %d formats only", n, len(formats))
	}
}

func TestJoinAttributes(t *testing.T) {
	other := strings.Repeat("ab", 16)
	for name, c := range map[string]struct {
		log  telemetry.Log
		want string
	}{
		"an attribute":             {telemetry.Log{Attrs: telemetry.Attrs{str("traceId", traceHex), str("spanId", spanHex)}}, traceHex + " " + spanHex + " (attribute traceId)"},
		"a header":                 {telemetry.Log{Attrs: telemetry.Attrs{str("http.request.header.traceparent", "00-"+traceHex+"-"+spanHex+"-01")}}, traceHex + " " + spanHex + " (attribute http.request.header.traceparent)"},
		"an attribute before text": {telemetry.Log{Attrs: telemetry.Attrs{str("trace_id", traceHex)}, Body: telemetry.String("trace_id=" + other)}, traceHex + " (attribute trace_id)"},
		"Datadog's number":         {telemetry.Log{Attrs: telemetry.Attrs{{Key: "dd.trace_id", Value: telemetry.Int(1234567890123456789)}}}, "0000000000000000112210f47de98115 (attribute dd.trace_id)"},
		"a structured body":        {telemetry.Log{Body: telemetry.Map(telemetry.Attrs{str("msg", "x"), {Key: "trace", Value: telemetry.Map(telemetry.Attrs{str("id", traceHex)})}, {Key: "span", Value: telemetry.Map(telemetry.Attrs{str("id", spanHex)})}})}, traceHex + " " + spanHex + " (body, trace.id)"},
		"two in attributes":        {telemetry.Log{Attrs: telemetry.Attrs{str("trace_id", traceHex), str("otel.trace_id", other)}, Body: telemetry.String("trace_id=" + other)}, ""},
		"another one's":            {telemetry.Log{Attrs: telemetry.Attrs{str("parent_trace_id", traceHex)}}, ""},
		"no body":                  {telemetry.Log{}, ""},
		"a number":                 {telemetry.Log{Body: telemetry.Int(17)}, ""},
	} {
		if got := rendered(&c.log); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// Lines that carry no context get none, whatever other IDs stand in them.
func TestJoinFindsNothingInOrdinaryLines(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "lines.log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		own := strings.Contains(line, traceHex)
		if got := contextOfText(line); (got != "") != own {
			t.Errorf("%q: %q", line, got)
		}
	}
}

func FuzzFindContext(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", "join.txt"))
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := &telemetry.Log{Body: telemetry.String(text), Attrs: telemetry.Attrs{str("b3", text)}}
		c, ok := FindContext(l)
		if ok == c.TraceID.IsZero() {
			t.Fatalf("FindContext(%q) = %+v, %v", text, c, ok)
		}
		if ok && c.Key == "" {
			t.Fatalf("FindContext(%q) = %+v does not say where", text, c)
		}
	})
}
