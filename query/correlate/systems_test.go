package correlate_test

import (
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/correlate/correlatetest"
	"github.com/clewhq/clew/telemetry"
)

var (
	systemsRequests = flag.Int("systems.requests", 66, "how many requests' lines are made up")
	systemsSeed     = flag.Uint64("systems.seed", 61, "what they are made up from")
)

//go:embed testdata/systems.txt
var systemsFile string

// A systemLine is how a system writes a line, and how that finds its request.
type systemLine struct{ by, text string }

func systemLines() (out []systemLine) {
	for line := range strings.Lines(systemsFile) {
		line = strings.TrimSuffix(line, "\n")
		if by, text, ok := strings.Cut(line, " "); ok && by != "#" {
			out = append(out, systemLine{by, strings.ReplaceAll(text, "<ESC>", "\x1b")})
		}
	}
	return out
}

// requestIDs are the forms of IDs that servers give to requests. Those that are
// no ID by their shape are only found where a key names them.
var requestIDs = []struct {
	name   string
	shaped bool
	make   func(*rand.Rand) string
}{
	{"UUID", true, func(r *rand.Rand) string { return uuidFrom(r) }},
	{"UUID in capitals", true, func(r *rand.Rand) string { return strings.ToUpper(uuidFrom(r)) }},
	{"hex, as nginx's and Kong's", true, func(r *rand.Rand) string { return randomHex(r, 16) }},
	{"xid", true, func(r *rand.Rand) string {
		return "c" + pickFrom(r, "0123456789abcdefghijklmnopqrstuv", 9) + "8a215n4g0"
	}},
	{"cuid", true, func(r *rand.Rand) string {
		return "cl" + pickFrom(r, "0123456789abcdefghijklmnopqrstuvwxyz", 18) + "1a2b3"
	}},
	{"mod_unique_id", false, func(r *rand.Rand) string {
		return "Y@l" + pickFrom(r, base64Letters, 8) + "AAQEAAF-" + pickFrom(r, base64Letters, 5)
	}},
	{"Plug's", false, func(r *rand.Rand) string { return "F" + pickFrom(r, base64Letters, 15) + "AAAB" }},
	{"Kestrel's", false, func(r *rand.Rand) string {
		return fmt.Sprintf("0HM%s:%08X", pickFrom(r, "0123456789ABCDEFGHIJKLMNOPQRSTUV", 10), r.IntN(1000))
	}},
	{"HAProxy's", false, func(r *rand.Rand) string {
		return fmt.Sprintf("0A00000B:%04X_0A000001:0050_%08X_0001:0007", r.IntN(1<<16), r.Uint32())
	}},
	{"CloudFront's", false, func(r *rand.Rand) string { return pickFrom(r, base64Letters+"-_", 54) + "==" }},
	{"prefixed", true, func(r *rand.Rand) string { return "req-" + strconv.Itoa(1+r.IntN(1_000_000_000)) }},
}

const base64Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func uuidFrom(r *rand.Rand) string {
	h := randomHex(r, 16)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

func pickFrom(r *rand.Rand, from string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = from[r.IntN(len(from))]
	}
	return string(b)
}

var placeholder = regexp.MustCompile(`<[a-z][a-z ]*>`)

// systems makes lines with known truth.
type systems struct {
	r      *rand.Rand
	consts map[string]string // what is the same in all lines
	lines  int
}

// fill fills a line in for q, which is nil for one that is of no request.
func (s *systems) fill(text string, q *request, span telemetry.SpanID) string {
	s.lines++
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		switch name = strings.Trim(name, "<>"); name {
		case "n":
			return strconv.Itoa(s.lines)
		case "small":
			return strconv.Itoa(s.r.IntN(40))
		case "git":
			return randomHex(s.r, 20)
		case "digest":
			return randomHex(s.r, 32)
		case "md5":
			return randomHex(s.r, 16)
		case "crc":
			return randomHex(s.r, 8)
		case "uuid":
			return uuidFrom(s.r)
		}
		if what, ok := strings.CutPrefix(name, "const "); ok {
			if s.consts[what] == "" {
				s.consts[what] = randomHex(s.r, map[string]int{"container": 32, "affinity": 32, "git": 20}[what]+16)
			}
			return s.consts[what]
		}
		if q != nil {
			if v, ok := q.spelled(name, span); ok {
				return v
			}
		}
		return "<" + name + ">" // an element of XML
	})
}

// spelled is what a line has in place of name.
func (q *request) spelled(name string, span telemetry.SpanID) (string, bool) {
	t := q.trace.String()
	switch name {
	case "trace":
		return t, true
	case "span":
		return span.String(), true
	case "traceparent":
		return "00-" + t + "-" + span.String() + "-01", true
	case "xray":
		return "1-" + t[:8] + "-" + t[8:], true
	case "request", "shaped":
		return q.id, true
	}
	return "", false
}

// requestHeaders are where services keep the ID of a request.
var requestHeaders = []string{"http.request.header.x_request_id", "http.request.header.x-correlation-id", "request.id", "http.response.header.x_amzn_requestid", "app.reqId"}

// load makes so many requests, each with spans and with lines of every system
// in turn, and the lines of no request.
func (s *systems) load(requests int) *made {
	m := &made{}
	lines := systemLines()
	var traps []systemLine
	lines = slices.DeleteFunc(lines, func(l systemLine) bool {
		if l.by == "none" {
			traps = append(traps, l)
		}
		return l.by == "none"
	})
	services := []string{"edge", "shop", "orders", "billing"}
	next := 0
	for i := range requests {
		form := requestIDs[i%len(requestIDs)]
		q := &request{trace: correlatetest.Trace(randomHex(s.r, 16)), span: correlatetest.Span(randomHex(s.r, 8)), id: form.make(s.r)}
		start, header := i*50, requestHeaders[i%len(requestHeaders)]
		span := q.span
		for depth := range 3 {
			sp := telemetry.Span{Stream: correlatetest.Stream(services[depth]), TraceID: q.trace, SpanID: span, Kind: telemetry.SpanKindServer,
				Name: "op", Start: correlatetest.At(start + depth), End: correlatetest.At(start + 40 - depth), Attrs: correlatetest.Attrs("commit", s.fill("<const git>", nil, span))}
			if depth > 0 {
				sp.ParentID, sp.SpanID = span, correlatetest.Span(randomHex(s.r, 8))
				span = sp.SpanID
			} else {
				sp.Attrs = append(sp.Attrs, correlatetest.Attrs(header, q.id)...)
			}
			q.spans++
			m.spans = append(m.spans, sp)
		}
		for range 12 {
			l := lines[next%len(lines)]
			next++
			if strings.Contains(l.text, "<shaped>") && !form.shaped {
				continue
			}
			rec := telemetry.Log{Stream: correlatetest.Stream(services[next%len(services)]), Time: correlatetest.At(start + s.r.IntN(40)), Body: telemetry.String(s.fill(l.text, q, span))}
			q.logs = append(q.logs, rec.Body.Str())
			if next%3 == 0 { // some shippers send lines as bytes
				rec.Body = telemetry.Bytes(rec.Body.Str())
			}
			if c, ok := correlation.FindContext(&rec); ok {
				rec.TraceID, rec.SpanID = c.TraceID, c.SpanID
			}
			m.logs = append(m.logs, rec)
		}
		trap := telemetry.Log{Stream: correlatetest.Stream([]string{"cache", "batch"}[i%2]), Time: correlatetest.At(start + 20), Body: telemetry.String(s.fill(traps[i%len(traps)].text, nil, span))}
		if c, ok := correlation.FindContext(&trap); ok {
			trap.TraceID, trap.SpanID = c.TraceID, c.SpanID
		}
		m.logs = append(m.logs, trap)
		m.requests = append(m.requests, q)
	}
	return m
}

// ways are all ways to ask for q by what stands in lines and spans.
func (q *request) ways() []string {
	t, s := q.trace.String(), q.span.String()
	half := binary.BigEndian.Uint64(q.trace[8:])
	out := []string{q.id, " " + q.id + " ", `"` + q.id + `"`, t, strings.ToUpper(t), "0x" + t, t[:8] + "-" + t[8:12] + "-" + t[12:16] + "-" + t[16:20] + "-" + t[20:],
		"00-" + t + "-" + s + "-01", t + "-" + s + "-1", t + ":" + s + ":0:1", "1-" + t[:8] + "-" + t[8:], "1-" + t[:8] + "-" + t[8:] + "@" + s,
		"Root=1-" + t[:8] + "-" + t[8:] + ";Parent=" + s, t + "/17;o=1", t[16:], strconv.FormatUint(half, 10), s, strings.ToUpper(s), "0x" + s}
	if raw, err := hex.DecodeString(strings.ReplaceAll(q.id, "-", "")); err == nil && len(raw) == 16 {
		h := hex.EncodeToString(raw)
		dashed := h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
		out = append(out, h, strings.ToUpper(h), dashed, strings.ToUpper(dashed), "{"+dashed+"}", "urn:uuid:"+dashed)
	}
	return out
}

// Whatever system wrote the lines of a request, each of its IDs in each of its
// spellings gives all of it and nothing else.
func TestEverySystemsLinesAreFound(t *testing.T) {
	s := &systems{r: rand.New(rand.NewPCG(*systemsSeed, 62)), consts: map[string]string{}}
	m := s.load(*systemsRequests)
	e := correlate.New(correlate.DefaultConfig(), m.store(t, s.r), nil)
	asked, wrong := 0, 0
	for _, q := range m.requests {
		for _, id := range q.ways() {
			asked++
			a, err := e.Correlate(t.Context(), correlate.Request{Tenant: tenant, ID: id, Hops: -1})
			d := fmt.Sprint(err)
			if err == nil {
				a.Warnings = slices.DeleteFunc(a.Warnings, func(w string) bool {
					return strings.HasSuffix(w, "is in more than one trace, as short as it is: not followed")
				})
				d = q.differs(a)
			}
			if d != "" {
				if wrong++; wrong < 12 {
					t.Errorf("%q of trace %s, request %s: %s", id, q.trace, q.id, d)
				}
			}
		}
	}
	t.Logf("%d questions about %d spans and %d lines of %d kinds: %d wrong answers", asked, len(m.spans), len(m.logs), len(systemLines()), wrong)
}

// A line is joined to its trace where it tells it, and to none elsewhere; of the
// IDs that lead from one record to others it carries its request's alone.
func TestEverySystemsLinesAreJoined(t *testing.T) {
	s := &systems{r: rand.New(rand.NewPCG(63, 64)), consts: map[string]string{}}
	lines := systemLines()
	for i := range 20 * len(lines) {
		l, form := lines[i%len(lines)], requestIDs[i%len(requestIDs)]
		q := &request{trace: correlatetest.Trace(randomHex(s.r, 16)), id: form.make(s.r)}
		span := correlatetest.Span(randomHex(s.r, 8))
		rec := &telemetry.Log{Body: telemetry.String(s.fill(l.text, q, span))}
		c, joined := correlation.FindContext(rec)
		if joined != (l.by == "trace") || joined && c.TraceID != q.trace {
			t.Errorf("joined: %v, %s %q\n%s", joined, c.TraceID, c.Key, rec.Body.Str())
		}
		if joined && strings.Contains(l.text, "<span>") && !strings.Contains(l.text, "SegmentId") && c.SpanID != span && !c.SpanID.IsZero() {
			t.Errorf("joined to span %s instead of %s\n%s", c.SpanID, span, rec.Body.Str())
		}
		for _, id := range correlation.AppendLog(nil, rec) {
			own := id.Value == correlation.Normalize(q.id) || id.Value == q.trace.String()
			if id.Kind.Joins() && !own && !strings.Contains(l.text, "<small>") && !strings.Contains(l.text, "WHERE") && !strings.Contains(l.text, "stack_trace_id") && !strings.Contains(l.text, "ffff") {
				t.Errorf("%s %q leads elsewhere\n%s", id.Kind, id.Value, rec.Body.Str())
			}
		}
	}
}
