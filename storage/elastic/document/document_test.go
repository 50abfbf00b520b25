package document_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/valyala/fastjson"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic/document"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

func TestLogsComeBackEqual(t *testing.T) {
	exact := 0
	for _, l := range storagetest.NewGen(1).Logs(2000).Logs {
		doc := new(document.Writer).Log(&l, document.Order{Seq: 1, Tie: 7})
		if !json.Valid(doc) {
			t.Fatalf("not JSON: %s", doc)
		}
		v := fastjson.MustParseBytes(doc)
		if !v.Exists("clew", "raw") {
			exact++
		}
		got, err := document.ParseLog(v, l.Stream)
		if err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		if d := storagetest.DiffLog(&got, &l); d != "" {
			t.Fatalf("%s in %s", d, doc)
		}
	}
	if exact < 300 {
		t.Errorf("only %d of 2000 documents do without OTLP", exact)
	}
}

func TestSpansComeBackEqual(t *testing.T) {
	exact := 0
	for _, s := range storagetest.NewGen(2).Spans(2000).Spans {
		doc := new(document.Writer).Span(&s, document.Order{Tie: -7})
		v := fastjson.MustParseBytes(doc)
		if !json.Valid(doc) {
			t.Fatalf("not JSON: %s", doc)
		}
		if !v.Exists("clew", "raw") {
			exact++
		}
		got, err := document.ParseSpan(v, s.Stream)
		if err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		if d := storagetest.DiffSpan(&got, &s); d != "" {
			t.Fatalf("%s in %s", d, doc)
		}
	}
	if exact < 200 {
		t.Errorf("only %d of 2000 documents do without OTLP", exact)
	}
}

// What JSON cannot tell is told by the OTLP beside it.
func TestWhatNeedsOTLP(t *testing.T) {
	str := telemetry.String
	for name, c := range map[string]struct {
		attrs telemetry.Attrs
		raw   bool
	}{
		"plain":         {telemetry.Attrs{{Key: "a.b", Value: str("x")}, {Key: "n", Value: telemetry.Int(-1 << 63)}, {Key: "f", Value: telemetry.Double(3)}}, false},
		"list":          {telemetry.Attrs{{Key: "l", Value: telemetry.Array([]telemetry.Value{telemetry.Int(1), telemetry.Int(2), {}})}}, false},
		"mixed list":    {telemetry.Attrs{{Key: "l", Value: telemetry.Array([]telemetry.Value{telemetry.Int(1), telemetry.Double(1), {}})}}, true},
		"empty":         {telemetry.Attrs{{Key: "e", Value: telemetry.Value{}}}, false},
		"bytes":         {telemetry.Attrs{{Key: "b", Value: telemetry.Bytes("\x00")}}, true},
		"map":           {telemetry.Attrs{{Key: "m", Value: telemetry.Map(telemetry.Attrs{{Key: "x", Value: str("y")}})}}, true},
		"same key":      {telemetry.Attrs{{Key: "k", Value: str("1")}, {Key: "k", Value: str("2")}}, true},
		"no name":       {telemetry.Attrs{{Key: "", Value: str("1")}}, true},
		"dots":          {telemetry.Attrs{{Key: "a..b", Value: str("1")}}, true},
		"only blank":    {telemetry.Attrs{{Key: " ", Value: str("1")}}, true},
		"not UTF-8":     {telemetry.Attrs{{Key: "k", Value: str("\xff")}}, true},
		"other control": {telemetry.Attrs{{Key: "k", Value: str("\x00\x1f\"\\\r")}}, false},
	} {
		st := telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{})
		l := telemetry.Log{Stream: st, Time: 1, Attrs: c.attrs}
		v := fastjson.MustParseBytes(new(document.Writer).Log(&l, document.Order{}))
		if v.Exists("clew", "raw") != c.raw {
			t.Errorf("%s: %s", name, v)
		}
		got, err := document.ParseLog(v, st)
		if err != nil || storagetest.DiffLog(&got, &l) != "" {
			t.Errorf("%s: %v, %s", name, err, storagetest.DiffLog(&got, &l))
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ literal, want string }{
		{"timeout", "*timeout*"},
		{" timeout ", "timeout"},
		{"the Time is", "*the time is*"},
		{"päyment", "*p* *yment*"},
		{"status=500", "*status"},
		{"", ""},
		{"42", ""},
	} {
		var got []string
		for _, w := range document.Words(c.literal) {
			text := w.Text
			if !w.Begins {
				text = "*" + text
			}
			if !w.Ends {
				text += "*"
			}
			got = append(got, text)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%q: got %s, want %s", c.literal, s, c.want)
		}
	}
}

func TestIDTerm(t *testing.T) {
	if document.IDTerm("abc") != "abc" {
		t.Error("a short ID is its own term")
	}
	long := strings.Repeat("x", 5000)
	if a := document.IDTerm(long); len(a) > 100 || a == document.IDTerm(long+"x") {
		t.Errorf("long IDs: %s", a)
	}
}

func TestFieldsOfColumns(t *testing.T) {
	if all, some := document.LogFields(0), document.LogFields(storage.ColBody); len(all) <= len(some) || len(some) != 6 {
		t.Errorf("%v, %v", all, some)
	}
}

func FuzzAttributes(f *testing.F) {
	f.Add("key", "value", int64(3), 1.5)
	f.Add("", "\xff", int64(-1), 1e300)
	f.Add("a. .b", "x\x00", int64(0), math.Copysign(0, -1))
	f.Fuzz(func(t *testing.T, key, text string, n int64, d float64) {
		st := telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{})
		l := telemetry.Log{Stream: st, Time: 1, Body: telemetry.String("b"), Attrs: telemetry.Attrs{
			{Key: key, Value: telemetry.String(text)}, {Key: "n", Value: telemetry.Int(n)}, {Key: "d", Value: telemetry.Double(d)},
		}}
		want := storagetest.LogBatch([]telemetry.Log{l}).Logs[0]
		doc := new(document.Writer).Log(&want, document.Order{})
		if !json.Valid(doc) {
			t.Fatalf("not JSON: %s", doc)
		}
		v, err := fastjson.ParseBytes(doc)
		if err != nil {
			t.Fatal(err)
		}
		got, err := document.ParseLog(v, want.Stream)
		if err != nil {
			t.Fatal(err)
		}
		if diff := storagetest.DiffLog(&got, &want); diff != "" {
			t.Fatalf("%s in %s", diff, doc)
		}
	})
}

// A field's text tells the value of every attribute that a span does not name as
// odd.
func TestFieldsTellValues(t *testing.T) {
	values := []telemetry.Value{
		telemetry.String("plain"), telemetry.String(""), telemetry.String("200"), telemetry.String("-7"), telemetry.String("007"), telemetry.String("true"),
		telemetry.String("fine"), telemetry.String("+1"), telemetry.String("-"), telemetry.String("1e3"), telemetry.String("9223372036854775808"),
		telemetry.Int(200), telemetry.Int(math.MinInt64), telemetry.Bool(false), telemetry.Double(2), telemetry.Double(2.5),
	}
	for _, want := range values {
		s := telemetry.Span{Stream: telemetry.NewStream(telemetry.Resource{}, telemetry.Scope{}), Attrs: telemetry.Attrs{{Key: "k", Value: want}}}
		v := fastjson.MustParseBytes(new(document.Writer).Span(&s, document.Order{}))
		odd := len(v.GetArray("clew", "odd")) > 0
		if got := document.ValueOf(want.Text()); !odd && !got.Equal(want) {
			t.Errorf("%s of kind %d reads as %s of kind %d", want.Text(), want.Kind(), got.Text(), got.Kind())
		}
		if number := want.Kind() == telemetry.KindInt; odd && number {
			t.Errorf("%s is odd", want.Text())
		}
	}
}
