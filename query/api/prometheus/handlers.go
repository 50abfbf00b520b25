package prometheus

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/promql"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
)

// The types of error in Prometheus's answers.
const (
	errorBadData     = "bad_data"
	errorNotFound    = "not_found"
	errorUnavailable = "unavailable"
	errorInternal    = "internal"
)

// response is the envelope of every answer.
type response struct {
	Status    string `json:"status"`
	Data      any    `json:"data,omitempty"`
	ErrorType string `json:"errorType,omitempty"`
	Error     string `json:"error,omitempty"`
	// Warnings say what is missing of the data.
	Warnings []string `json:"warnings,omitempty"`
}

func respond(w http.ResponseWriter, data any, warnings ...string) {
	writeJSON(w, http.StatusOK, response{Status: "success", Data: data, Warnings: warnings})
}

func respondError(w http.ResponseWriter, code int, errorType, message string) {
	writeJSON(w, code, response{Status: "error", ErrorType: errorType, Error: message})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body) // the caller hung up
}

// respondStoreError answers for a store that did not give the tenant's metrics.
func respondStoreError(w http.ResponseWriter, err error) {
	if storage.IsPassing(err) {
		w.Header().Set("Retry-After", "5")
		respondError(w, http.StatusServiceUnavailable, errorUnavailable, err.Error())
		return
	}
	respondError(w, http.StatusInternalServerError, errorInternal, err.Error())
}

// codeOf is the status of an error that Prometheus's own handlers met, where it is
// not theirs to choose. N is Prometheus's kind of error, which has no name outside.
func codeOf[N any](_ N, err error) (int, bool) {
	var read promql.ErrStorage
	if errors.As(err, &read) {
		err = read.Err // it does not unwrap
	}
	return http.StatusServiceUnavailable, storage.IsPassing(err)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	respondError(w, http.StatusNotFound, errorNotFound,
		fmt.Sprintf("no %s at %s; Prometheus's API is at %s/, for example %s/query", r.Method, r.URL.Path, apiPrefix, apiPrefix))
}

// postLabelValues answers POST as GET. Prometheus itself refuses it, but
// Grafana sends it when it asks for suggestions of label values.
func (a *API) postLabelValues(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		respondError(w, http.StatusBadRequest, errorBadData, "error parsing form values: "+err.Error())
		return
	}
	// The parsed form stays with the request, so the body counts.
	get := r.Clone(r.Context())
	get.Method = http.MethodGet
	a.serveTenant(w, get)
}

// statusConfig shows the configuration.
func (a *API) statusConfig(w http.ResponseWriter, _ *http.Request) {
	yaml := ""
	if a.deps.ConfigYAML != nil {
		yaml = a.deps.ConfigYAML()
	}
	respond(w, map[string]string{"yaml": yaml})
}

// metadata answers type, help and unit by metric family. Prometheus takes them
// from its scrape targets; here the store keeps them.
func (a *API) metadata(w http.ResponseWriter, r *http.Request) {
	limit, err := intParam(r, "limit")
	if err == nil {
		// There is one entry per family, so any limit per metric is kept.
		_, err = intParam(r, "limit_per_metric")
	}
	if err != nil {
		respondError(w, http.StatusBadRequest, errorBadData, err.Error())
		return
	}
	m, err := a.deps.Metrics.Tenant(tenant.From(r.Context()))
	if err != nil {
		respondStoreError(w, err)
		return
	}
	all := m.Metadata(r.FormValue("metric"))
	families := make([]string, 0, len(all))
	for family := range all {
		families = append(families, family)
	}
	slices.Sort(families) // so that a limit keeps the same ones each time
	if limit >= 0 && limit < len(families) {
		families = families[:limit]
	}
	data := make(map[string][]metadata.Metadata, len(families))
	for _, family := range families {
		data[family] = []metadata.Metadata{all[family]}
	}
	respond(w, data)
}

// intParam returns a whole number of the query, -1 where it is not given.
func intParam(r *http.Request, name string) (int, error) {
	s := r.FormValue(name)
	if s == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("invalid parameter %q: want a whole number, got %q", name, s)
	}
	return n, nil
}
