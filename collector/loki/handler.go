package loki

import (
	"fmt"
	"mime"
	"net/http"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// protocol is the label of metrics.
const protocol = "loki"

// Handler takes in pushes.
type Handler struct {
	gate   *admission.Gate
	limits body.Limits
}

// New returns a handler whose records go through gate.
func New(gate *admission.Gate, limits body.Limits) *Handler {
	return &Handler{gate: gate, limits: limits}
}

// Register adds POST /loki/api/v1/push.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.Handle("POST /loki/api/v1/push", h)
}

// ServeHTTP takes in one push. Like Loki it answers 204 where all of it is
// stored, and 400 with the reasons where some of it was rejected; the good
// part is stored then.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.gate.Now()
	out, err := h.take(r)
	if refused := h.gate.Done(telemetry.Logs, protocol, start, err); refused != nil {
		refused.SetHeaders(w.Header())
		http.Error(w, refused.Error(), refused.HTTP)
		return
	}
	if out.Rejected > 0 {
		http.Error(w, out.Message(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h *Handler) take(r *http.Request) (admission.Outcome, error) {
	decode, err := decoder(r)
	if err != nil {
		return admission.Outcome{}, err
	}
	raw, err := body.Read(r, h.limits)
	if err != nil {
		return admission.Outcome{}, err
	}
	streams, err := decode(raw)
	if err != nil {
		return admission.Outcome{}, admission.Invalid("malformed push request: %w", err)
	}
	var out admission.Outcome
	if records := logs(streams); len(records) > 0 {
		encoded := otlp.AppendLogs(make([]byte, 0, len(raw)+len(raw)/4), records)
		if out, err = h.gate.Logs(r.Context(), protocol, encoded); err != nil {
			return admission.Outcome{}, err
		}
	}
	for i := range streams {
		if err := streams[i].err; err != nil {
			n := len(streams[i].entries)
			h.gate.Received(telemetry.Logs, protocol, n, 0)
			h.gate.Rejected(telemetry.Logs, admission.InvalidLabels, n)
			out.Reject(admission.InvalidLabels, fmt.Sprintf("stream %d: %v", i, err), max(1, n))
		}
	}
	return out, nil
}

// decoder chooses how to read r by its content type.
func decoder(r *http.Request) (func([]byte) ([]stream, error), error) {
	given := r.Header.Get("Content-Type")
	kind := given
	if given != "" {
		var err error
		if kind, _, err = mime.ParseMediaType(given); err != nil {
			return nil, admission.Unsupported("content type %q: %w", given, err)
		}
	}
	switch kind {
	case "application/json":
		return decodeJSON, nil
	case "", "application/x-protobuf":
		if r.Header.Get("Content-Encoding") == "" {
			// Loki's protobuf is always in snappy, said or not.
			r.Header.Set("Content-Encoding", "snappy")
		}
		return decodeProto, nil
	}
	return nil, admission.Unsupported("content type %q is not supported, use application/x-protobuf or application/json", given)
}
