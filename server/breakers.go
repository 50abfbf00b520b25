package server

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// switched is a circuit breaker that an operator can open and close.
type switched interface {
	TripBreaker(why string)
	ResetBreaker()
}

// maxBreakerBody bounds what an operator says.
const maxBreakerBody = 4 << 10

// breakers is PUT /api/v1/circuit-breakers/{name}: an operator opens a breaker
// by hand, which then stays open, or closes it. GET /api/v1/health shows it.
func (s *Server) breakers(w http.ResponseWriter, r *http.Request) {
	known := map[string]switched{}
	if s.stores.elastic != nil {
		known["elasticsearch"] = s.stores.elastic
	}
	switchBreaker(known, w, r)
}

func switchBreaker(known map[string]switched, w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	b, ok := known[name]
	if !ok {
		writeError(w, http.StatusNotFound, fmt.Sprintf("no circuit breaker %q here; with storage.backend: elasticsearch there is one named elasticsearch", name))
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
		b.TripBreaker(why)
	case "closed":
		b.ResetBreaker()
	default:
		writeError(w, http.StatusBadRequest, fmt.Sprintf("state is %q, want open or closed", in.State))
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"name": name, "state": in.State})
}
