package zipkin

import (
	"mime"
	"net/http"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// protocol is the label of metrics.
const protocol = "zipkin"

// Handler takes in spans.
type Handler struct {
	gate   *admission.Gate
	limits body.Limits
}

// New returns a handler whose spans go through gate.
func New(gate *admission.Gate, limits body.Limits) *Handler {
	return &Handler{gate: gate, limits: limits}
}

// Register adds POST /zipkin/api/v2/spans.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.Handle("POST /zipkin/api/v2/spans", h)
}

// ServeHTTP takes in a list of spans: 202 where all are stored, as Zipkin
// answers, 400 with the reasons where some were rejected.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.gate.Now()
	out, err := h.take(r)
	if refused := h.gate.Done(telemetry.Traces, protocol, start, err); refused != nil {
		refused.SetHeaders(w.Header())
		http.Error(w, refused.Error(), refused.HTTP)
		return
	}
	if out.Rejected > 0 {
		http.Error(w, out.Message(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (h *Handler) take(r *http.Request) (admission.Outcome, error) {
	if given := r.Header.Get("Content-Type"); given != "" {
		if kind, _, err := mime.ParseMediaType(given); err != nil || kind != "application/json" {
			return admission.Outcome{}, admission.Unsupported("content type %q is not supported, use application/json", given)
		}
	}
	raw, err := body.Read(r, h.limits)
	if err != nil {
		return admission.Outcome{}, err
	}
	spans, bad, err := decode(raw)
	if err != nil {
		return admission.Outcome{}, admission.Invalid("malformed Zipkin spans: %w", err)
	}
	out, err := h.gate.Spans(r.Context(), protocol, otlp.AppendSpans(make([]byte, 0, len(raw)), spans))
	if err != nil {
		return out, err
	}
	h.gate.Received(telemetry.Traces, protocol, len(bad), 0)
	for _, why := range bad {
		out.Reject(admission.InvalidRecord, why.Error(), 1)
		h.gate.Rejected(telemetry.Traces, admission.InvalidRecord, 1)
	}
	return out, nil
}
