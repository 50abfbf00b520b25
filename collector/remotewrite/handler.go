package remotewrite

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
	"github.com/clewhq/clew/collector/samples"
	"github.com/clewhq/clew/telemetry"
)

// protocol is the label of metrics.
const protocol = "remote_write"

// The names of the two messages in the content type.
const (
	messageV1 = "prometheus.WriteRequest"
	messageV2 = "io.prometheus.write.v2.Request"
)

// Handler takes in remote write requests.
type Handler struct {
	gate   *admission.Gate
	writer *samples.Writer
	limits body.Limits
}

// New returns a handler that writes with writer.
func New(gate *admission.Gate, writer *samples.Writer, limits body.Limits) *Handler {
	return &Handler{gate: gate, writer: writer, limits: limits}
}

// Register adds POST /prometheus/api/v1/write.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.Handle("POST /prometheus/api/v1/write", h)
}

// ServeHTTP takes in one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.gate.Now()
	version, err := message(r)
	var written samples.Written
	var out admission.Outcome
	if err == nil {
		written, out, err = h.take(r, version)
	}
	refused := h.gate.Done(telemetry.Metrics, protocol, start, err)
	if version == messageV2 {
		// The sender relies on these: without them it takes the server for one
		// that does not know version 2.
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(written.Samples))
		w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(written.Histograms))
		w.Header().Set("X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(written.Exemplars))
	}
	switch {
	case refused != nil:
		refused.SetHeaders(w.Header())
		http.Error(w, refused.Error(), refused.HTTP)
	case out.Rejected > 0:
		// The good samples are stored. 400 tells the sender that sending the
		// others again is of no use.
		http.Error(w, out.Message(), http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (h *Handler) take(r *http.Request, version string) (samples.Written, admission.Outcome, error) {
	if r.Header.Get("Content-Encoding") == "" {
		// The protocol has one encoding only; some senders do not say it.
		r.Header.Set("Content-Encoding", "snappy")
	}
	raw, err := body.Read(r, h.limits)
	if err != nil {
		return samples.Written{}, admission.Outcome{}, err
	}
	decode := decodeV1
	if version == messageV2 {
		decode = decodeV2
	}
	series, total, err := decode(raw)
	if err != nil {
		return samples.Written{}, admission.Outcome{}, admission.Invalid("malformed %s: %w", version, err)
	}
	return h.writer.Write(r.Context(), protocol, series, total, len(raw))
}

// message returns which message the content type says the body is.
func message(r *http.Request) (string, error) {
	given := r.Header.Get("Content-Type")
	if given == "" {
		return messageV1, nil
	}
	kind, params, err := mime.ParseMediaType(given)
	if err != nil || kind != "application/x-protobuf" {
		return messageV1, admission.Unsupported("content type %q is not supported, use application/x-protobuf", given)
	}
	switch proto := params["proto"]; proto {
	case "", messageV1:
		return messageV1, nil
	case messageV2:
		return messageV2, nil
	default:
		return messageV1, admission.Unsupported("message %q is not supported, use %s", proto, fmt.Sprint(messageV1, " or ", messageV2))
	}
}
