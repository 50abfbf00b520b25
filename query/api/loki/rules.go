package loki

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"

	"github.com/clewhq/clew/internal/tenant"
)

// Errors that Rules answers with.
var (
	// ErrNoRules says that there is no such group or namespace.
	ErrNoRules = errors.New("no such rules")
	// ErrBadRules refuses rules that could not be evaluated, or any change.
	ErrBadRules = errors.New("the rules are refused")
)

// Rules are the LogQL rules of a tenant. Errors wrap ErrNoRules or ErrBadRules
// where the caller is at fault.
type Rules interface {
	// Groups returns the groups by namespace.
	Groups() (map[string][]rulefmt.RuleGroup, error)
	// Set puts a group in the place of that of its name, or adds it.
	Set(namespace string, group rulefmt.RuleGroup) error
	Delete(namespace, group string) error
	DeleteNamespace(namespace string) error
}

// WithRules has the API list and change rules; without, it answers that there
// are none. It is called before Register.
func (a *API) WithRules(of func(tenant string) Rules) *API {
	a.rules = of
	return a
}

// registerRules puts the API of Loki's ruler on mux, under its path and the
// older one.
func (a *API) registerRules(mux *http.ServeMux) {
	for _, path := range []string{prefix + "rules", "/api/prom/rules"} {
		for pattern, h := range map[string]http.HandlerFunc{
			"GET " + path:                             a.listRules,
			"GET " + path + "/{namespace}":            a.listRules,
			"GET " + path + "/{namespace}/{group}":    a.ruleGroup,
			"POST " + path + "/{namespace}":           a.setRules,
			"DELETE " + path + "/{namespace}":         a.deleteRules,
			"DELETE " + path + "/{namespace}/{group}": a.deleteRules,
			path:                          only("GET"),
			path + "/{namespace}":         only("GET, POST, DELETE"),
			path + "/{namespace}/{group}": only("GET, DELETE"),
		} {
			mux.HandleFunc(pattern, h)
		}
	}
}

func (a *API) rulesOf(r *http.Request) Rules {
	if a.rules == nil {
		return noRules{}
	}
	return a.rules(tenant.From(r.Context()))
}

// noRules are the rules where nothing evaluates any.
type noRules struct{}

func (noRules) Groups() (map[string][]rulefmt.RuleGroup, error) { return nil, nil }
func (noRules) Set(string, rulefmt.RuleGroup) error             { return ErrBadRules }
func (noRules) Delete(string, string) error                     { return ErrBadRules }
func (noRules) DeleteNamespace(string) error                    { return ErrBadRules }

// listRules lists the groups of all namespaces or of one.
func (a *API) listRules(w http.ResponseWriter, r *http.Request) {
	all, err := a.rulesOf(r).Groups()
	if err != nil {
		a.failRules(w, r, err)
		return
	}
	if ns := r.PathValue("namespace"); ns != "" {
		one := all[ns]
		all = map[string][]rulefmt.RuleGroup{}
		if len(one) > 0 {
			all[ns] = one
		}
	}
	if len(all) == 0 {
		http.Error(w, "no rule groups found", http.StatusNotFound)
		return
	}
	writeYAML(w, all)
}

// ruleGroup shows one group.
func (a *API) ruleGroup(w http.ResponseWriter, r *http.Request) {
	all, err := a.rulesOf(r).Groups()
	if err != nil {
		a.failRules(w, r, err)
		return
	}
	for _, g := range all[r.PathValue("namespace")] {
		if g.Name == r.PathValue("group") {
			writeYAML(w, g)
			return
		}
	}
	http.Error(w, "group does not exist", http.StatusNotFound)
}

// setRules takes one group in YAML.
func (a *API) setRules(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.cfg.MaxFormBytes))
	if err != nil {
		http.Error(w, "read the rule group: "+err.Error(), http.StatusBadRequest)
		return
	}
	var group rulefmt.RuleGroup
	dec := yaml.NewDecoder(strings.NewReader(string(body)))
	dec.KnownFields(true)
	if err := dec.Decode(&group); err != nil {
		http.Error(w, "unable to decode rule group: "+err.Error(), http.StatusBadRequest)
		return
	}
	if group.Name == "" {
		http.Error(w, "invalid rules config: rule group must have a name", http.StatusBadRequest)
		return
	}
	a.accepted(w, r, a.rulesOf(r).Set(r.PathValue("namespace"), group))
}

// deleteRules takes a group or a whole namespace away.
func (a *API) deleteRules(w http.ResponseWriter, r *http.Request) {
	if group := r.PathValue("group"); group != "" {
		a.accepted(w, r, a.rulesOf(r).Delete(r.PathValue("namespace"), group))
		return
	}
	a.accepted(w, r, a.rulesOf(r).DeleteNamespace(r.PathValue("namespace")))
}

// accepted answers to a change.
func (a *API) accepted(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		a.failRules(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"success","data":null,"errorType":"","error":""}`)
}

// failRules answers with an error as Loki's ruler does, in plain text.
func (a *API) failRules(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, ErrNoRules):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, ErrBadRules):
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		a.log.Error("answer a request about rules", "path", r.URL.Path, "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func writeYAML(w http.ResponseWriter, v any) {
	text, err := yaml.Marshal(v)
	if err != nil {
		http.Error(w, "write the rules as YAML: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(text)
}
