package otlp

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/clewhq/clew/collector/admission"
	"github.com/clewhq/clew/collector/body"
)

const (
	typeProto = "application/x-protobuf"
	typeJSON  = "application/json"

	overHTTP = "otlp_http"
	overJSON = "otlp_http_json"
	overGRPC = "otlp_grpc"
)

// CORS lets web pages send telemetry. It is off while no origin is allowed.
type CORS struct {
	// AllowedOrigins are the origins of those pages ("https://shop.example"),
	// or "*" for any.
	AllowedOrigins []string `yaml:"allowed_origins"`
	// AllowedHeaders are request headers allowed beside those OTLP needs.
	AllowedHeaders []string `yaml:"allowed_headers"`
}

// HTTP serves OTLP over HTTP.
type HTTP struct {
	gate    *admission.Gate
	limits  body.Limits
	cors    CORS
	signals []signal
}

// NewHTTP returns the handler of the three signals. metrics takes in
// ExportMetricsServiceRequests.
func NewHTTP(gate *admission.Gate, metrics sink, limits body.Limits, cors CORS) *HTTP {
	return &HTTP{gate: gate, limits: limits, cors: cors, signals: signals(gate, metrics)}
}

// Register adds POST prefix/v1/{logs,traces,metrics} and, where pages may
// send, the requests with which browsers ask beforehand.
func (h *HTTP) Register(mux *http.ServeMux, prefix string) {
	for i := range h.signals {
		h.Handle(mux, prefix+"/v1/"+string(h.signals[i].name), string(h.signals[i].name))
	}
}

// Handle adds the handler of one signal under a path of its own.
func (h *HTTP) Handle(mux *http.ServeMux, path, name string) {
	i := slices.IndexFunc(h.signals, func(s signal) bool { return string(s.name) == name })
	s := &h.signals[i]
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		h.allowOrigin(w, r)
		h.serve(w, r, s)
	})
	if len(h.cors.AllowedOrigins) > 0 {
		mux.HandleFunc("OPTIONS "+path, h.preflight)
	}
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", http.MethodPost)
		text := fmt.Sprintf("method %s is not allowed on %s, use POST", r.Method, path)
		write(w, http.StatusMethodNotAllowed, typeJSON, statusJSON(12, text))
	})
}

// serve takes in one request of signal s.
func (h *HTTP) serve(w http.ResponseWriter, r *http.Request, s *signal) {
	start := h.gate.Now()
	kind, protocol, err := contentType(r)
	var out admission.Outcome
	if err == nil {
		out, err = h.take(r, s, kind, protocol)
	}
	if refused := h.gate.Done(s.name, protocol, start, err); refused != nil {
		refused.SetHeaders(w.Header())
		if kind == typeJSON {
			write(w, refused.HTTP, kind, statusJSON(refused.GRPC, refused.Error()))
			return
		}
		write(w, refused.HTTP, kind, statusProto(refused.GRPC, refused.Error()))
		return
	}
	if kind == typeJSON {
		write(w, http.StatusOK, kind, s.answerJSON(&out))
		return
	}
	write(w, http.StatusOK, kind, answerProto(&out))
}

func (h *HTTP) take(r *http.Request, s *signal, kind, protocol string) (admission.Outcome, error) {
	raw, err := body.Read(r, h.limits)
	if err == nil && kind == typeJSON {
		raw, err = s.fromJSON(raw)
	}
	if err != nil {
		return admission.Outcome{}, err
	}
	return s.sink(r.Context(), protocol, raw)
}

// contentType returns the type of the request, which is also the answer's,
// and the protocol's name in metrics. An unknown type is answered in JSON.
func contentType(r *http.Request) (kind, protocol string, err error) {
	given := r.Header.Get("Content-Type")
	parsed, _, err := mime.ParseMediaType(given)
	switch {
	case err == nil && (parsed == typeProto || parsed == "application/protobuf"):
		return typeProto, overHTTP, nil
	case err == nil && parsed == typeJSON:
		return typeJSON, overJSON, nil
	}
	return typeJSON, overHTTP, admission.Unsupported("content type %q is not supported, use %s or %s", given, typeProto, typeJSON)
}

func write(w http.ResponseWriter, status int, kind string, b []byte) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client has gone; there is nobody to tell
}

// allowOrigin lets the page at r's origin read the answer.
func (h *HTTP) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || len(h.cors.AllowedOrigins) == 0 {
		return false
	}
	w.Header().Add("Vary", "Origin")
	if !slices.Contains(h.cors.AllowedOrigins, "*") && !slices.Contains(h.cors.AllowedOrigins, origin) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
	return true
}

// preflight answers a browser that asks whether a page may send.
func (h *HTTP) preflight(w http.ResponseWriter, r *http.Request) {
	if h.allowOrigin(w, r) {
		allowed := append([]string{"Content-Type", "Content-Encoding", "Authorization", "X-Scope-OrgID"}, h.cors.AllowedHeaders...)
		w.Header().Set("Access-Control-Allow-Methods", http.MethodPost)
		w.Header().Set("Access-Control-Allow-Headers", strings.Join(allowed, ", "))
		w.Header().Set("Access-Control-Max-Age", "86400")
	}
	w.WriteHeader(http.StatusNoContent)
}

// Validate says what is wrong with c.
func (c *CORS) Validate() error {
	for _, o := range c.AllowedOrigins {
		if o != "*" && (!strings.Contains(o, "://") || strings.HasSuffix(o, "/")) {
			return fmt.Errorf("allowed_origins: %q, want scheme://host[:port] without a slash behind, or *", o)
		}
	}
	return nil
}
