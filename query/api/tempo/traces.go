package tempo

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/query/traceql/status"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// foundTrace is a trace as the API answers it.
type foundTrace struct {
	spans    []telemetry.Span // those of a stream together
	stats    traceql.Stats
	warnings []string
}

// lookup finds the trace that a request names. The time range that a request
// may carry is checked and not applied: an ID names one trace, and the whole
// trace is what one wants to see.
func (a *API) lookup(r *http.Request) (*foundTrace, error) {
	raw := r.PathValue("id")
	id, ok := telemetry.ParseTraceID(raw)
	if !ok {
		return nil, status.BadRequest("invalid trace ID %q, expected 1 to 32 hexadecimal digits", raw)
	}
	q := r.URL.Query()
	if _, _, err := secondsRange(q); err != nil {
		return nil, err
	}
	t, stats, warnings, err := a.Engine.Trace(r.Context(), tenant.From(r.Context()), id)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, status.NotFound(fmt.Sprintf("trace %s not found", id), warnings)
	}
	found := &foundTrace{stats: stats, warnings: warnings}
	spans := t.Spans
	if filter := q.Get("q"); filter != "" {
		if spans, err = traceql.FilterSpans(t, filter); err != nil {
			return nil, invalidQuery(err)
		}
		if len(spans) < len(t.Spans) {
			found.warnings = append(found.warnings, fmt.Sprintf("q selects %d of the trace's %d spans", len(spans), len(t.Spans)))
		}
	}
	found.spans = byStream(spans)
	return found, nil
}

// byStream brings the spans of each stream together, streams in the order of
// their first spans.
func byStream(spans []*telemetry.Span) []telemetry.Span {
	var order []telemetry.StreamID
	groups := map[telemetry.StreamID][]*telemetry.Span{}
	for _, s := range spans {
		if _, ok := groups[s.Stream.ID]; !ok {
			order = append(order, s.Stream.ID)
		}
		groups[s.Stream.ID] = append(groups[s.Stream.ID], s)
	}
	out := make([]telemetry.Span, 0, len(spans))
	for _, id := range order {
		for _, s := range groups[id] {
			out = append(out, *s)
		}
	}
	return out
}

func (a *API) trace(w http.ResponseWriter, r *http.Request) error {
	t, err := a.lookup(r)
	if err != nil {
		return err
	}
	setWarnings(w, t.warnings)
	if wantsProto(r) {
		return writeProto(w, otlp.AppendSpans(nil, t.spans))
	}
	body := appendResourceSpans([]byte(`{"batches":`), t.spans)
	return writeRaw(w, append(body, '}'))
}

func (a *API) traceV2(w http.ResponseWriter, r *http.Request) error {
	t, err := a.lookup(r)
	if err != nil {
		return err
	}
	message := strings.Join(t.warnings, "; ")
	if wantsProto(r) {
		return writeProto(w, t.appendResponse(nil, message))
	}
	body := appendResourceSpans([]byte(`{"trace":{"resourceSpans":`), t.spans)
	body = append(body, `},"metrics":{`...)
	if n := t.stats.InspectedBytes; n > 0 {
		body = append(strconv.AppendInt(append(body, `"inspectedBytes":"`...), n, 10), '"')
	}
	body = append(body, '}')
	if message != "" {
		body = append(body, `,"status":"PARTIAL"`...)
		body = appendText(body, "message", message)
	}
	return writeRaw(w, append(body, '}'))
}

// appendResponse appends a TraceByIDResponse. The trace is written even if it
// is empty: Grafana reads through it without looking.
func (t *foundTrace) appendResponse(b []byte, message string) []byte {
	b = appendMessage(b, 1, func(b []byte) []byte { return otlp.AppendSpans(b, t.spans) })
	b = appendMessage(b, 2, func(b []byte) []byte { return appendUint(b, 1, uint64(t.stats.InspectedBytes)) })
	if message != "" {
		b = appendUint(b, 3, 1)
		b = appendString(b, 4, message)
	}
	return b
}

func writeRaw(w http.ResponseWriter, body []byte) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(body)
	return ignoreWrite(err)
}

func appendUint(b []byte, field protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.VarintType)
	return protowire.AppendVarint(b, n)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendString(b, s)
}

// appendMessage appends a sub-message, also an empty one.
func appendMessage(b []byte, field protowire.Number, body func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendBytes(b, body(nil))
}
