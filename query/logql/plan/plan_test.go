package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

const (
	trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	span  = "00f067aa0ba902b7"
)

func planOf(t *testing.T, query string, use Use) *Plan {
	t.Helper()
	e, err := syntax.ParseLog(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return New(e, nil, use)
}

func TestText(t *testing.T) {
	for query, want := range map[string][]string{
		`{a="b"} |= "x"`:                         {"x"},
		`{a="b"} |= "x" |= "y"`:                  {"x", "y"},
		`{a="b"} |= ""`:                          nil,
		`{a="b"} != "x"`:                         nil,
		`{a="b"} |= "x" or "y"`:                  nil,
		`{a="b"} |= ip("1.2.3.4")`:               nil,
		`{a="b"} |~ "x.*y(z|w)"`:                 {"x", "y"},
		`{a="b"} |~ "(?i)x"`:                     nil,
		`{a="b"} |~ "x|y"`:                       nil,
		`{a="b"} |~ "(foo)+bar?"`:                {"foo", "ba"},
		`{a="b"} |~ "x*"`:                        nil,
		`{a="b"} !~ "x"`:                         nil,
		`{a="b"} |> "a <_> b"`:                   {"a ", " b"},
		`{a="b"} !> "a <_> b"`:                   nil,
		`{a="b"} | json |= "x"`:                  {"x"},
		`{a="b"} | line_format "y" |= "x"`:       nil,
		`{a="b"} | decolorize |= "x"`:            nil,
		`{a="b"} | unpack |= "x"`:                nil,
		`{a="b"} | distinct y |= "x"`:            nil,
		`{a="b"} |= "y" | line_format "" |= "x"`: {"y"},
	} {
		if got := planOf(t, query, Use{}).Text; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

func TestIDs(t *testing.T) {
	for query, want := range map[string]string{
		`{a="b"} |= "` + trace + `"`:                                   "", // may be part of a longer token
		`{a="b"} |= "id=` + trace + `"`:                                "",
		`{a="b"} |= " ` + trace + ` "`:                                 trace,
		`{a="b"} |= "\"` + trace + `\","`:                              trace,
		`{a="b"} |= "(` + strings.ToUpper(trace) + `)"`:                trace,
		`{a="b"} |= "x` + trace + ` "`:                                 "",
		`{a="b"} |= " ` + trace + ` " or "x"`:                          "",
		`{a="b"} != " ` + trace + ` "`:                                 "",
		`{a="b"} | line_format "x" |= " ` + trace + ` "`:               "",
		`{a="b"} | trace_id="` + trace + `"`:                           trace,
		`{a="b"} | span_id="` + span + `"`:                             span,
		`{a="b"} | trace_id="` + trace + `" and x="y"`:                 trace,
		`{a="b"} | x > 5 | trace_id="` + trace + `"`:                   trace,
		`{a="b"} | trace_id="` + trace + `" or x="y"`:                  "",
		`{a="b"} | trace_id!="` + trace + `"`:                          "",
		`{a="b"} | trace_id=~"` + trace + `"`:                          "",
		`{a="b"} | trace_id="abc"`:                                     "",
		`{a="b"} | json | trace_id="` + trace + `"`:                    "",
		`{a="b"} | json x="y" | trace_id="` + trace + `"`:              trace,
		`{a="b"} | json trace_id="y" | trace_id="` + trace + `"`:       "",
		`{a="b"} | label_format trace_id=x | trace_id="` + trace + `"`: "",
		`{a="b"} | logfmt | trace_id="` + trace + `"`:                  "",
		`{a="b"} | drop trace_id | trace_id="` + trace + `"`:           "",
		`{a="b"} | keep x | trace_id="` + trace + `"`:                  "",
		`{a="b"} | label_format x=trace_id | trace_id="` + trace + `"`: "",
		`{a="b"} | distinct x | trace_id="` + trace + `"`:              "",
	} {
		p := planOf(t, query, Use{})
		p.Resolve(func(string) bool { return false })
		if got := strings.Join(p.IDs, ","); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

func TestLabelsOfStreamsStopPushdowns(t *testing.T) {
	p := planOf(t, `{a="b"} | trace_id="`+trace+`" | detected_level="error"`, Use{})
	if !p.NeedsStreams() {
		t.Fatal("the plan does not ask for streams")
	}
	p.Resolve(func(label string) bool { return label == entry.TraceID })
	if len(p.IDs) != 0 || p.MinSeverity != telemetry.SeverityError {
		t.Errorf("got IDs %v, severity %d", p.IDs, p.MinSeverity)
	}
}

func TestSeverity(t *testing.T) {
	for query, want := range map[string]telemetry.Severity{
		`{a="b"} | detected_level="error"`:                         telemetry.SeverityError,
		`{a="b"} | detected_level=~"warn|error"`:                   telemetry.SeverityWarn,
		`{a="b"} | detected_level!="info"`:                         0,
		`{a="b"} | detected_level!~"trace|debug"`:                  telemetry.SeverityInfo,
		`{a="b"} | detected_level="unknown"`:                       0,
		`{a="b"} | detected_level="error" or x="y"`:                0,
		`{a="b"} | json | detected_level="error"`:                  0,
		`{a="b"} | detected_level="info" | detected_level="error"`: telemetry.SeverityError,
	} {
		p := planOf(t, query, Use{})
		p.Resolve(func(string) bool { return false })
		if p.MinSeverity != want {
			t.Errorf("%s: got %d, want %d", query, p.MinSeverity, want)
		}
	}
}

func TestColumns(t *testing.T) {
	const meta = storage.ColAttrs | storage.ColSeverity | storage.ColRest
	for _, c := range []struct {
		query string
		use   Use
		want  storage.Columns
	}{
		{`{a="b"}`, Use{Line: true, AllLabels: true}, storage.ColBody | meta},
		{`{a="b"}`, Use{}, storage.ColSeverity},
		{`{a="b"}`, Use{Labels: []string{"service_name"}}, storage.ColSeverity},
		{`{a="b"}`, Use{Labels: []string{"env"}}, meta},
		{`{a="b"}`, Use{Labels: []string{"detected_level"}}, storage.ColBody | meta},
		{`{a="b"}`, Use{Line: true}, storage.ColBody},
		{`{a="b"} |= "x"`, Use{}, storage.ColBody},
		{`{a="b"} | trace_id="x"`, Use{}, meta},
		{`{a="b"} | json`, Use{}, storage.ColBody},
		{`{a="b"} | drop __error__`, Use{}, storage.ColSeverity},
		{`{a="b"} | label_format x="{{.y}}"`, Use{}, storage.ColBody | meta},
	} {
		if got := planOf(t, c.query, c.use).Columns; got != c.want {
			t.Errorf("%s %v: got %b, want %b", c.query, c.use, got, c.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	p := planOf(t, `{a="b"} |= " `+trace+` " | detected_level="error"`, Use{Line: true})
	p.Resolve(func(string) bool { return false })
	got := strings.Join(p.Describe(), "\n")
	for _, want := range []string{`{a="b"}`, "by the ID index: " + trace, "severity at least: error (17)", "columns: body"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
}
