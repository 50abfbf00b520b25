package otlp_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// request is what pdata's three kinds of requests have in common.
type request interface {
	MarshalJSON() ([]byte, error)
	MarshalProto() ([]byte, error)
	UnmarshalProto([]byte) error
}

// sameAsProto says what differs between req as JSON and as protobuf, both
// read by pdata.
func sameAsProto(t *testing.T, req, again, want request, read func([]byte) ([]byte, error)) {
	t.Helper()
	asJSON, err := req.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := read(asJSON)
	if err != nil {
		t.Fatalf("%v\n%s", err, asJSON)
	}
	if err := again.UnmarshalProto(raw); err != nil {
		t.Fatalf("%v\n%s", err, asJSON)
	}
	proto, err := req.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	if err := want.UnmarshalProto(proto); err != nil {
		t.Fatal(err)
	}
	gotJSON, _ := again.MarshalJSON()
	wantJSON, _ := want.MarshalJSON()
	if diff := cmp.Diff(string(wantJSON), string(gotJSON)); diff != "" {
		t.Fatal(diff)
	}
}

func TestJSONOfRandomRequests(t *testing.T) {
	for seed := range uint64(200) {
		d := newDice(seed)
		sameAsProto(t, plogotlp.NewExportRequestFromLogs(d.logs()), plogotlp.NewExportRequest(), plogotlp.NewExportRequest(), otlp.LogsFromJSON)
		sameAsProto(t, ptraceotlp.NewExportRequestFromTraces(d.traces()), ptraceotlp.NewExportRequest(), ptraceotlp.NewExportRequest(), otlp.SpansFromJSON)
		sameAsProto(t, pmetricotlp.NewExportRequestFromMetrics(d.metrics()), pmetricotlp.NewExportRequest(), pmetricotlp.NewExportRequest(), otlp.MetricsFromJSON)
	}
}

// logJSON is a request of one record.
func logJSON(record string) []byte {
	return []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + record + `]}]}]}`)
}

func oneLog(t *testing.T, record string) (telemetry.Log, []otlp.Problem) {
	t.Helper()
	raw, err := otlp.LogsFromJSON(logJSON(record))
	if err != nil {
		t.Fatalf("%s: %v", record, err)
	}
	b, problems, err := otlp.CheckLogs(raw)
	if err != nil || len(b.Logs) != 1 {
		t.Fatalf("%s: %d records, error %v", record, len(b.Logs), err)
	}
	return b.Logs[0], problems
}

func TestJSONSpellings(t *testing.T) {
	body := func(v telemetry.Value) telemetry.Log { return telemetry.Log{Body: v} }
	tests := []struct {
		record string
		want   telemetry.Log
	}{
		{`{"timeUnixNano":"18"}`, telemetry.Log{Time: 18}},
		{`{"timeUnixNano":18}`, telemetry.Log{Time: 18}},
		{`{"time_unix_nano":1.8e1}`, telemetry.Log{Time: 18}},
		{`{"timeUnixNano":18.0,"observed_time_unix_nano":"0019"}`, telemetry.Log{Time: 18, Observed: 19}},
		{`{"timeUnixNano":null,"body":null,"attributes":null,"traceId":null,"severityNumber":null}`, telemetry.Log{}},
		{`{"severityNumber":17}`, telemetry.Log{Severity: 17}},
		{`{"severityNumber":"17"}`, telemetry.Log{Severity: 17}},
		{`{"severityNumber":"SEVERITY_NUMBER_TRACE"}`, telemetry.Log{Severity: 1}},
		{`{"severity_number":"SEVERITY_NUMBER_FATAL4"}`, telemetry.Log{Severity: 24}},
		{`{"flags":4294967295,"droppedAttributesCount":"7","eventName":"e"}`, telemetry.Log{Flags: 4294967295, Dropped: 7, EventName: "e"}},
		{`{"traceId":"","spanId":"00000000000000Aa"}`, telemetry.Log{SpanID: telemetry.SpanID{7: 0xaa}}},
		{`{"body":{}}`, telemetry.Log{}},
		{`{"body":{"stringValue":""}}`, body(telemetry.String(""))},
		{`{"body":{"boolValue":false}}`, body(telemetry.Bool(false))},
		{`{"body":{"intValue":"0"}}`, body(telemetry.Int(0))},
		{`{"body":{"intValue":-9223372036854775808}}`, body(telemetry.Int(-9223372036854775808))},
		{`{"body":{"doubleValue":-1e-7}}`, body(telemetry.Double(-1e-7))},
		{`{"body":{"doubleValue":"1.5"}}`, body(telemetry.Double(1.5))},
		{`{"body":{"bytesValue":"-_8"}}`, body(telemetry.Bytes("\xfb\xff"))},
		{`{"body":{"bytesValue":"+/8="}}`, body(telemetry.Bytes("\xfb\xff"))},
		{`{"body":{"bytesValue":""}}`, body(telemetry.Bytes(""))},
		{`{"body":{"array_value":{"values":[{"intValue":1},{}]}}}`, body(telemetry.Array([]telemetry.Value{telemetry.Int(1), {}}))},
		{`{"body":{"kvlistValue":{"values":[{"key":"k","value":null}]}}}`, body(telemetry.Map(telemetry.Attrs{{Key: "k"}}))},
		{`{"body":{"stringValue":"\u00e9\ud83c\udf89\ud800x\udc00\n\/\"\u0000"}}`, body(telemetry.String("é🎉\ufffdx\ufffd\n/\"\x00"))},
		{"{\"body\":{\"stringValue\":\"\xff raw\"}}", body(telemetry.String("\xff raw"))},
		{` { "later" : [ { "a" : [ ] , "b":{} }, null, true, -1.5e+3, "x\\" ] , "flags" : 1 } `, telemetry.Log{Flags: 1}},
	}
	for _, tt := range tests {
		got, problems := oneLog(t, tt.record)
		got.Stream = nil
		if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b telemetry.Value) bool { return a.Equal(b) })); diff != "" || len(problems) > 0 {
			t.Errorf("%s: %v %s", tt.record, problems, diff)
		}
	}
}

// Clients that leave JSON to their protobuf library write bytes in base64.
func TestJSONWithIDsInBase64(t *testing.T) {
	trace, _ := telemetry.ParseTraceID("4bf92f3577b34da6a3ce929d0e0e4736")
	span, _ := telemetry.ParseSpanID("00f067aa0ba902b7")
	got, problems := oneLog(t, `{"traceId":"S/kvNXezTaajzpKdDg5HNg==","spanId":"APBnqgupArc="}`)
	if got.TraceID != trace || got.SpanID != span || len(problems) > 0 {
		t.Errorf("%s %s, problems %v", got.TraceID, got.SpanID, problems)
	}
	if got, problems = oneLog(t, `{"traceId":"AAAAAAAAAAAAAAAAAAAAAA==","spanId":"AAAAAAAAAAA="}`); !got.TraceID.IsZero() || !got.SpanID.IsZero() {
		t.Errorf("zeroes: %s %s, problems %v", got.TraceID, got.SpanID, problems)
	}
}

func TestJSONWithWrongIDsKeepsTheRecords(t *testing.T) {
	for _, id := range []string{"abcd", "xyz", "zz8efff798038103d269b633813fc60c", "eight ch", "sixteen letters!", "S/kvNXezTaajzpKdDg5HNg", "S/kvNXezTaajzpKdDg5H====", strings.Repeat("0", 33)} {
		got, problems := oneLog(t, `{"traceId":"`+id+`","eventName":"kept"}`)
		if got.EventName != "kept" || !got.TraceID.IsZero() || len(problems) != 1 || problems[0].Field != "trace_id" {
			t.Errorf("%q: %+v, problems %v", id, got, problems)
		}
		if id == strings.Repeat("0", 33) {
			continue
		}
		if got, problems = oneLog(t, `{"spanId":"`+id+`"}`); !got.SpanID.IsZero() || len(problems) != 1 {
			t.Errorf("%q: %+v, problems %v", id, got, problems)
		}
	}
	raw, err := otlp.MetricsFromJSON([]byte(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[
		{"asInt":"0","exemplars":[{"asInt":3,"traceId":"xyz","spanId":"0102030405060708"}]}]}}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req := pmetricotlp.NewExportRequest()
	if err := req.UnmarshalProto(raw); err != nil {
		t.Fatal(err)
	}
	point := req.Metrics().ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().At(0)
	if e := point.Exemplars().At(0); !e.TraceID().IsEmpty() || e.SpanID().IsEmpty() || e.IntValue() != 3 || point.ValueType() != pmetric.NumberDataPointValueTypeInt {
		t.Errorf("point %v, exemplar %v %v %v", point.ValueType(), e.TraceID(), e.SpanID(), e.IntValue())
	}
}

func TestMalformedJSONSaysWhatAndWhere(t *testing.T) {
	record := func(s string) string { return string(logJSON(s)) }
	const at = "resourceLogs[0].scopeLogs[0].logRecords[0]"
	tests := []struct{ body, want string }{
		{``, `request at byte 0: end of the body, want an object`},
		{`[]`, `request at byte 0: an array, want an object`},
		{`null`, `request at byte 0: 'n', want an object`},
		{`{}x`, `request at byte 2: unexpected 'x' behind the request`},
		{`{"a":1,}`, `request at byte 7: unexpected '}' behind a comma`},
		{`{"a" 1}`, `request at byte 5: unexpected '1', want ':'`},
		{`{"a":1 "b":2}`, `request at byte 7: unexpected a string, want ',' or '}'`},
		{`{a:1}`, `request at byte 1: unexpected 'a', want the name of a field in quotes`},
		{`{"resourceLogs":{}}`, `resourceLogs at byte 16: an object, want an array`},
		{`{"resourceLogs":[null]}`, `resourceLogs[0] at byte 17: 'n', want an object`},
		{`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"5`, at + `.timeUnixNano at byte 62: string without an end`},
		{record(`{"timeUnixNano":"xx"}`), at + `.timeUnixNano at byte 62: "xx", want a whole number from 0 to 18446744073709551615`},
		{record(`{"timeUnixNano":-1}`), at + `.timeUnixNano at byte 62: -1, want a whole number from 0`},
		{record(`{"timeUnixNano":1.5}`), at + `.timeUnixNano at byte 62: 1.5, want a whole number`},
		{record(`{"timeUnixNano":18446744073709551616}`), `18446744073709551616, want a whole number`},
		{record(`{"timeUnixNano":012}`), `012, want a whole number`},
		{record(`{"flags":4294967296}`), `.flags at byte 55: 4294967296, want a whole number from 0 to 4294967295`},
		{record(`{"body":{"intValue":"9223372036854775808"}}`), `.body.intValue at byte 66: "9223372036854775808", want a whole number of 64 bits`},
		{record(`{"body":{"doubleValue":0x1p2}}`), `0x1p2, want a number`},
		{record(`{"body":{"doubleValue":inf}}`), `inf, want a number`},
		{record(`{"body":{"boolValue":"true"}}`), `"true", want true or false`},
		{record(`{"body":{"stringValue":5}}`), `.body.stringValue at byte 69: 5, want a string`},
		{record(`{"body":{"bytesValue":"*"}}`), `"*", want a string in base64`},
		{record(`{"body":"text"}`), `.body at byte 54: a string, want an object`},
		{record(`{"severityNumber":"LOUD"}`), `.severityNumber at byte 64: "LOUD", want the number or the name of a value, such as "SEVERITY_NUMBER_`},
		{record(`{"traceId":5}`), `.traceId at byte 57: 5, want an ID of 32 hex digits`},
		{record(`{"attributes":[{"key":"a"},{"key":1}]}`), `.attributes[1].key at byte 80: 1, want a string`},
		{record("{\"severityText\":\"a\nb\"}"), `control character 0x0a in a string, want \u000a`},
		{record(`{"severityText":"\q"}`), `unknown escape \q`},
		{record(`{"severityText":"\u12"}`), `unknown escape \u`},
		{record(`{"later":[1,}`), `.later at byte 58: '}', want a value`},
		{record(`{"later":nil}`), `.later at byte 55: nil is not a value`},
		{record(`{"body":` + strings.Repeat(`{"arrayValue":{"values":[`, 200)), `nested more than`},
		{strings.Repeat(`{"a":`, 1000), `nested more than`},
	}
	for _, tt := range tests {
		_, err := otlp.LogsFromJSON([]byte(tt.body))
		if err == nil || !errors.Is(err, otlp.ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.100s\n got %v\nwant %s", tt.body, err, tt.want)
		}
	}
}

// FuzzFromJSON: what is taken is a request that protobuf takes, and nothing
// that pdata takes is refused. pdata alone lets malformed JSON pass here and
// there, so that only goes for what is valid JSON.
//
// Where the fuzzer shows 0 executions per second for up to a minute it makes an
// input smaller that reached new code (-fuzzminimizetime): no execution is slow.
// What hostile bodies cost is measured by BenchmarkHostileJSON.
func FuzzFromJSON(f *testing.F) {
	for seed := range uint64(3) {
		d := newDice(seed)
		for _, m := range []request{plogotlp.NewExportRequestFromLogs(d.logs()), ptraceotlp.NewExportRequestFromTraces(d.traces()), pmetricotlp.NewExportRequestFromMetrics(d.metrics())} {
			b, err := m.MarshalJSON()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Add(logJSON(`{"body":{"stringValue":"\ud83c\udf89"},"x":[1,{"y":null}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		given := bytes.Clone(body)
		if raw, err := otlp.LogsFromJSON(body); err == nil {
			if _, _, err := otlp.CheckLogs(raw); err != nil && !strings.Contains(err.Error(), "nested") && !strings.Contains(err.Error(), "tiny fields") {
				t.Errorf("logs: %v", err)
			}
		}
		if raw, err := otlp.SpansFromJSON(body); err == nil {
			if _, _, err := otlp.CheckSpans(raw); err != nil && !strings.Contains(err.Error(), "nested") && !strings.Contains(err.Error(), "tiny fields") {
				t.Errorf("spans: %v", err)
			}
		}
		if raw, err := otlp.MetricsFromJSON(body); err == nil {
			if err := pmetricotlp.NewExportRequest().UnmarshalProto(raw); err != nil {
				t.Errorf("metrics: %v", err)
			}
		}
		if !bytes.Equal(given, body) {
			t.Error("the body was changed")
		}
	})
}
