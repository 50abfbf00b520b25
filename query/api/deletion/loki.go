package deletion

import (
	"errors"
	"net/http"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/telemetry"
)

// lokiDeletion is a deletion as Loki shows it, times in seconds.
type lokiDeletion struct {
	ID      string  `json:"request_id"`
	Start   float64 `json:"start_time"`
	End     float64 `json:"end_time"`
	Query   string  `json:"query"`
	Status  string  `json:"status"`
	Created float64 `json:"created_at"`
}

// lokiError is the shape of the errors of Loki's API here.
func lokiError(code int, text string) any {
	return map[string]any{"status": "error", "error": text, "message": text, "code": code}
}

func (a *API) lokiRequest(r *http.Request) (answer, error) {
	d, err := a.read(r, "start", "end")
	if err != nil {
		return answer{}, err
	}
	if r.FormValue("start") == "" {
		return answer{}, badParameter{errors.New("parameter start is missing: want a time; 0 is the beginning")}
	}
	if d.To != 0 {
		d.To++ // Loki's end belongs to the range
	}
	if err := narrow(r, d); err != nil {
		return answer{}, err
	}
	_, err = a.store.Delete(r.Context(), d)
	return answer{http.StatusNoContent, nil}, err
}

func (a *API) lokiList(r *http.Request) (answer, error) {
	list, err := a.store.Deletions(r.Context(), tenant.From(r.Context()))
	out := []lokiDeletion{}
	for _, d := range list {
		if d.Signal == telemetry.Logs {
			out = append(out, lokiDeletion{d.ID, seconds(d.From), seconds(d.To), d.Query, status(d), seconds(d.Created)})
		}
	}
	return answer{http.StatusOK, out}, err
}

func (a *API) lokiCancel(r *http.Request) (answer, error) {
	id := r.FormValue("request_id")
	if id == "" {
		return answer{}, badParameter{errors.New("parameter request_id is missing: want an ID of the list")}
	}
	err := a.store.CancelDeletion(r.Context(), tenant.From(r.Context()), id)
	return answer{http.StatusNoContent, nil}, err
}

func seconds(ns int64) float64 { return float64(ns/1e6) / 1e3 }
