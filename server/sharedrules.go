package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clewhq/clew/internal/tenant"
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
		writeJSON(w, http.StatusOK, askAll(r, rulers, list, time.Duration(s.cfg.Alert.SendTimeout)))
	})
}

// askAll asks the rulers at once. One that does not answer is a warning.
func askAll(r *http.Request, rulers []members.Member, list string, patience time.Duration) ruleAnswer {
	answers, errs := make([]ruleAnswer, len(rulers)), make([]error, len(rulers))
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	var asking sync.WaitGroup
	for i, m := range rulers {
		asking.Go(func() { answers[i], errs[i] = askRuler(ctx, r, m.URL) })
	}
	asking.Wait()
	out := ruleAnswer{Status: "success", Data: map[string][]json.RawMessage{list: {}}}
	seen := map[string]bool{}
	for i, a := range answers {
		if errs[i] != nil {
			out.Warnings = append(out.Warnings, fmt.Sprintf("the rules of ruler %s are missing: %v", rulers[i].Name, errs[i]))
			continue
		}
		out.Warnings = append(out.Warnings, a.Warnings...)
		for _, one := range a.Data[list] {
			if key := identity(one); !seen[key] {
				seen[key] = true
				out.Data[list] = append(out.Data[list], one)
			}
		}
	}
	slices.SortStableFunc(out.Data[list], func(a, b json.RawMessage) int { return strings.Compare(identity(a), identity(b)) })
	return out
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

// askRuler passes a question on, with the asker's own rights.
func askRuler(ctx context.Context, r *http.Request, url string) (out ruleAnswer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+r.URL.RequestURI(), nil)
	if err != nil {
		return out, err
	}
	req.Header.Set(ownOnly, "1")
	for _, name := range []string{"Authorization", tenant.Header} {
		if v := r.Header.Get(name); v != "" {
			req.Header.Set(name, v)
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		return out, errors.Join(fmt.Errorf("it answers %s: %s", res.Status, text), err)
	}
	return out, json.NewDecoder(res.Body).Decode(&out)
}
