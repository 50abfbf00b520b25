package elastic

import (
	"encoding/json"
	"mime"
	"net/http"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// protocol is the label of metrics.
const protocol = "elasticsearch"

// clientVersion is the Elasticsearch version whose bulk API this is: clients
// refuse to talk to a server that does not name one they know.
const clientVersion = "8.19.7"

// Handler takes in bulk requests.
type Handler struct {
	gate   *admission.Gate
	limits body.Limits
}

// New returns a handler whose records go through gate.
func New(gate *admission.Gate, limits body.Limits) *Handler {
	return &Handler{gate: gate, limits: limits}
}

// Register adds the bulk API under /elastic, and what clients ask before they
// use it.
func (h *Handler) Register(mux *http.ServeMux) {
	for _, method := range []string{"POST ", "PUT "} {
		mux.HandleFunc(method+"/elastic/_bulk", h.bulk)
		mux.HandleFunc(method+"/elastic/{index}/_bulk", h.bulk)
	}
	mux.HandleFunc("GET /elastic/{$}", h.info)
	mux.HandleFunc("GET /elastic/_license", h.license)
	mux.HandleFunc("/elastic/", h.rest)
}

func (h *Handler) bulk(w http.ResponseWriter, r *http.Request) {
	start := h.gate.Now()
	items, err := h.take(r)
	if refused := h.gate.Done(telemetry.Logs, protocol, start, err); refused != nil {
		refused.SetHeaders(w.Header())
		writeError(w, refused.HTTP, refused.Reason, refused.Error())
		return
	}
	write(w, http.StatusOK, answer(items, h.gate.Now().Sub(start).Milliseconds()))
}

func (h *Handler) take(r *http.Request) ([]item, error) {
	given := r.Header.Get("Content-Type")
	switch kind, _, err := mime.ParseMediaType(given); {
	case given == "":
	case err == nil && (kind == "application/x-ndjson" || kind == "application/json" ||
		kind == "application/vnd.elasticsearch+x-ndjson" || kind == "application/vnd.elasticsearch+json"):
	default:
		return nil, admission.Unsupported("content type %q is not supported, use application/x-ndjson", given)
	}
	raw, err := body.Read(r, h.limits)
	if err != nil {
		return nil, err
	}
	items, err := parse(raw, r.PathValue("index"))
	if err != nil {
		return nil, err
	}
	var records []telemetry.Log
	var from []int // the item of each record
	for i := range items {
		if items[i].status == http.StatusCreated {
			records, from = append(records, items[i].record), append(from, i)
		} else {
			h.gate.Received(telemetry.Logs, protocol, 1, 0)
			h.gate.Rejected(telemetry.Logs, admission.InvalidRecord, 1)
		}
	}
	if len(records) == 0 {
		return items, nil
	}
	out, err := h.gate.Logs(r.Context(), protocol, otlp.AppendLogs(make([]byte, 0, len(raw)), records))
	if err != nil {
		return nil, err
	}
	for _, rejected := range out.Items {
		items[from[rejected.Index]].fail(http.StatusBadRequest, rejected.Reason, "%s", rejected.Detail)
	}
	return items, nil
}

// info names a version that clients accept.
func (h *Handler) info(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]any{
		"name": "clew", "cluster_name": "clew", "cluster_uuid": "clew",
		"version": map[string]any{"number": clientVersion, "build_flavor": "default",
			"minimum_wire_compatibility_version": "7.17.0", "minimum_index_compatibility_version": "7.0.0"},
		"tagline": "You Know, for Search",
	})
}

// license answers Beats, which ask before they send.
func (h *Handler) license(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]any{"license": map[string]any{"status": "active", "uid": "clew", "type": "basic"}})
}

func (h *Handler) rest(w http.ResponseWriter, r *http.Request) {
	writeError(w, http.StatusNotImplemented, "not_supported",
		"clew takes in documents with POST /elastic/_bulk and answers nothing else of Elasticsearch's API; "+r.Method+" "+r.URL.Path+" is not there")
}

func writeError(w http.ResponseWriter, status int, kind, reason string) {
	cause := map[string]string{"type": kind, "reason": reason}
	write(w, status, map[string]any{"error": map[string]any{
		"type": kind, "reason": reason, "root_cause": []any{cause},
	}, "status": status})
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone; there is nobody to tell
}
