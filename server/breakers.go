package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/clewhq/clew/internal/guard"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/local"
	"github.com/clewhq/clew/storage/local/object"
	"github.com/clewhq/clew/storage/metrics/remote"
)

// maxBreakerBody bounds what an operator says.
const maxBreakerBody = 4 << 10

// switches are the circuit breakers of this process, by name.
func (s *Server) switches() map[string]guard.Switch {
	known := map[string]guard.Switch{}
	if s.stores.elastic != nil {
		known[cluster.Name] = s.stores.elastic.Switch()
	}
	if s.stores.remote != nil {
		known[remote.Name] = s.stores.remote.Switch()
	}
	if m := s.alerts.Load(); m != nil {
		maps.Copy(known, m.Switches())
	}
	s.rulers.each(func(name string, r *ruler) { known[name] = r.guard })
	if l, ok := s.stores.records.(*local.Store); ok {
		if b, on := l.ObjectBreaker(); on {
			known[object.Name] = b
		}
	}
	return known
}

// listBreakers is GET /api/v1/circuit-breakers: their names and states.
func (s *Server) listBreakers(w http.ResponseWriter, _ *http.Request) {
	known := s.switches()
	out := make([]breakerState, 0, len(known))
	for _, name := range slices.Sorted(maps.Keys(known)) {
		out = append(out, breakerState{name, known[name].State()})
	}
	writeJSON(w, http.StatusOK, out)
}

type breakerState struct {
	Name  string `json:"name"`
	State string `json:"state"` // closed, open or half_open
}

// breakers is PUT /api/v1/circuit-breakers/{name}: an operator opens a breaker
// by hand, which then stays open, or closes it. GET /api/v1/health shows it.
func (s *Server) breakers(w http.ResponseWriter, r *http.Request) {
	switchBreaker(s.switches(), w, r)
}

func switchBreaker(known map[string]guard.Switch, w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	b, ok := known[name]
	if !ok {
		has := "there are none: what this process calls is asked for by storage.backend, storage.local.objects, storage.metrics.backend and alert.alertmanagers"
		if len(known) > 0 {
			has = "there are: " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
		}
		writeError(w, http.StatusNotFound, fmt.Sprintf("no circuit breaker %q here; %s", name, has))
		return
	}
	var in struct {
		State  string `json:"state"`
		Reason string `json:"reason"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBreakerBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		writeError(w, http.StatusBadRequest, fmt.Sprintf(`the body is no JSON object such as {"state": "open", "reason": "maintenance"}: %v`, err))
		return
	}
	switch in.State {
	case "open":
		why := "opened by hand"
		if in.Reason != "" {
			why += ": " + in.Reason
		}
		b.Trip(why)
	case "closed":
		b.Reset()
	default:
		writeError(w, http.StatusBadRequest, fmt.Sprintf("state is %q, want open or closed", in.State))
		return
	}
	writeJSON(w, http.StatusOK, breakerState{name, b.State()})
}
