package deletion

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/internal/timearg"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// API answers for one store.
type API struct {
	store storage.Deleter
	log   *slog.Logger
	now   func() time.Time
}

// New returns the API of a store. A nil log is silent and a nil now the
// system's clock.
func New(store storage.Deleter, log *slog.Logger, now func() time.Time) *API {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	return &API{store: store, log: log, now: now}
}

// Register adds the paths of both protocols to mux.
func (a *API) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/v1/delete", a.handle(a.request, nativeError))
	mux.HandleFunc("GET /api/v1/delete", a.handle(a.list, nativeError))
	mux.HandleFunc("DELETE /api/v1/delete/{id}", a.handle(a.cancel, nativeError))
	mux.HandleFunc("POST /loki/api/v1/delete", a.handle(a.lokiRequest, lokiError))
	mux.HandleFunc("PUT /loki/api/v1/delete", a.handle(a.lokiRequest, lokiError))
	mux.HandleFunc("GET /loki/api/v1/delete", a.handle(a.lokiList, lokiError))
	mux.HandleFunc("DELETE /loki/api/v1/delete", a.handle(a.lokiCancel, lokiError))
}

// answer is a status code and a body, nil for none.
type answer struct {
	code int
	body any
}

// handle turns what f returns into an answer.
func (a *API) handle(f func(*http.Request) (answer, error), shape func(code int, text string) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := f(r)
		if err != nil {
			out.code = statusOf(err)
			out.body = shape(out.code, err.Error())
			if out.code == http.StatusInternalServerError {
				a.log.Error("a deletion was not taken", "tenant", tenant.From(r.Context()), "error", err)
			}
		}
		if out.body == nil {
			w.WriteHeader(out.code)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(out.code)
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(out.body) // the caller may have gone
	}
}

// badParameter is a parameter that is the caller's to mend.
type badParameter struct{ error }

func statusOf(err error) int {
	var bad badParameter
	switch {
	case errors.Is(err, storage.ErrBadDeletion), errors.As(err, &bad):
		return http.StatusBadRequest
	case errors.Is(err, storage.ErrNoDeletion):
		return http.StatusNotFound
	case storage.IsPassing(err):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func nativeError(_ int, text string) any { return map[string]string{"error": text} }

// time reads a time parameter in Unix nanoseconds, 0 where it is not given.
func (a *API) time(r *http.Request, name string) (int64, error) {
	s := r.FormValue(name)
	if s == "" {
		return 0, nil
	}
	t, err := timearg.Parse(s, a.now())
	if err != nil {
		return 0, badParameter{fmt.Errorf("parameter %s: %w", name, err)}
	}
	return t.UnixNano(), nil
}

// read reads a request whose time range has these parameters.
func (a *API) read(r *http.Request, from, to string) (d storage.Deletion, err error) {
	d = storage.Deletion{Tenant: tenant.From(r.Context()), Signal: telemetry.Logs, Query: strings.TrimSpace(r.FormValue("query"))}
	if d.Query == "" {
		return d, badParameter{errors.New("parameter query is missing: want what selects the records to delete")}
	}
	if d.From, err = a.time(r, from); err != nil {
		return d, err
	}
	if d.To, err = a.time(r, to); err != nil {
		return d, err
	}
	if d.To != 0 && d.From >= d.To {
		return d, badParameter{fmt.Errorf("parameter %s (%q) must be before %s (%q)", from, r.FormValue(from), to, r.FormValue(to))}
	}
	return d, nil
}

// shown is a deletion in clew's own shape.
type shown struct {
	ID      string           `json:"id"`
	Signal  telemetry.Signal `json:"signal"`
	Query   string           `json:"query,omitempty"`
	From    string           `json:"from,omitempty"`
	To      string           `json:"to,omitempty"`
	Created string           `json:"created"`
	Status  string           `json:"status"`
	Done    string           `json:"done,omitempty"`
	Records int64            `json:"records"`
	Error   string           `json:"error,omitempty"`
}

// The states of a deletion, in both protocols.
const (
	received  = "received"
	processed = "processed"
)

func status(d storage.Deletion) string {
	if d.Done != 0 {
		return processed
	}
	return received
}

func show(d storage.Deletion) shown {
	return shown{
		ID: d.ID, Signal: d.Signal, Query: d.Query, From: stamp(d.From), To: stamp(d.To),
		Created: stamp(d.Created), Done: stamp(d.Done), Status: status(d), Records: d.Records, Error: d.Err,
	}
}

func stamp(ns int64) string {
	if ns == 0 {
		return ""
	}
	return time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
}

func (a *API) request(r *http.Request) (answer, error) {
	d, err := a.read(r, "from", "to")
	if err != nil {
		return answer{}, err
	}
	if s := r.FormValue("signal"); s != "" {
		d.Signal = telemetry.Signal(s)
	}
	if err := narrow(r, d); err != nil {
		return answer{}, err
	}
	d, err = a.store.Delete(r.Context(), d)
	return answer{http.StatusAccepted, show(d)}, err
}

func (a *API) list(r *http.Request) (answer, error) {
	list, err := a.store.Deletions(r.Context(), tenant.From(r.Context()))
	out := []shown{}
	for _, d := range list {
		out = append(out, show(d))
	}
	return answer{http.StatusOK, map[string][]shown{"deletions": out}}, err
}

func (a *API) cancel(r *http.Request) (answer, error) {
	err := a.store.CancelDeletion(r.Context(), tenant.From(r.Context()), r.PathValue("id"))
	return answer{http.StatusNoContent, nil}, err
}
