package server

import (
	"encoding/json"
	"net/http"

	"github.com/clewhq/clew/server/config"
	"github.com/clewhq/clew/server/members"
)

// ownOnly marks a question for what the asked process itself evaluates.
const ownOnly = "X-Clew-Own-Rules"

// rulePaths are what every process answers for all rulers together.
var rulePaths = map[string]string{
	"/prometheus/api/v1/rules":  "groups",
	"/prometheus/api/v1/alerts": "alerts",
}

// ruleAnswer is Prometheus's answer about rules, as far as it is merged.
type ruleAnswer struct {
	Status   string                       `json:"status"`
	Data     map[string][]json.RawMessage `json:"data"`
	Warnings []string                     `json:"warnings,omitempty"`
}

// registerPrometheus puts Prometheus's API on mux. Where work is shared,
// questions about rules are answered with what all rulers say.
func (s *Server) registerPrometheus(mux *http.ServeMux) {
	if s.members == nil {
		s.query.prometheus.Register(mux)
		return
	}
	own := http.NewServeMux()
	s.query.prometheus.Register(own)
	mux.HandleFunc("/prometheus/", func(w http.ResponseWriter, r *http.Request) {
		list := rulePaths[r.URL.Path]
		if list == "" || r.Method != http.MethodGet || r.Header.Get(ownOnly) != "" {
			own.ServeHTTP(w, r)
			return
		}
		var rulers []members.Member
		for _, m := range s.members.List() {
			if m.Has(config.TargetRuler) {
				rulers = append(rulers, m)
			}
		}
		writeJSON(w, http.StatusOK, s.rulers.askAll(r, rulers, list))
	})
}

// identity is the same for what two rulers tell of one group or alert, while
// it changes hands.
func identity(one json.RawMessage) string {
	var v struct {
		File   string            `json:"file"`
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	}
	if json.Unmarshal(one, &v) != nil {
		return string(one)
	}
	labels, err := json.Marshal(v.Labels) // sorted by name
	if err != nil {
		return string(one)
	}
	return v.File + "\x00" + v.Name + "\x00" + string(labels)
}
