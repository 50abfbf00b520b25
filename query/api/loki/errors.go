package loki

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/storage"
)

// errorBody is an error as both Grafana (message) and logcli and scripts
// (error) read it.
type errorBody struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType"`
	Error     string `json:"error"`
	Message   string `json:"message"`
	Code      int    `json:"code"`
}

func writeError(w http.ResponseWriter, code int, kind, text string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	encode(w, errorBody{"error", kind, text, text, code})
}

// paramError says which parameter is wrong, what was given and what is expected.
type paramError struct{ name, given, want string }

// Error implements error.
func (e *paramError) Error() string {
	if e.given == "" {
		return "parameter " + e.name + " is missing: expected " + e.want
	}
	return "parameter " + e.name + " is " + strconv.Quote(e.given) + ": expected " + e.want
}

// statusClientGone is what proxies log for a caller that hung up.
const statusClientGone = 499

// fail answers with the status that belongs to an error.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	var pe *paramError
	switch {
	case errors.As(err, &pe), errors.Is(err, logql.ErrBadQuery), errors.Is(err, logql.ErrLimit):
		writeError(w, http.StatusBadRequest, "bad_data", err.Error())
	case storage.IsPassing(err):
		writeError(w, http.StatusServiceUnavailable, "unavailable", err.Error())
	case errors.Is(err, logql.ErrTimeout):
		writeError(w, http.StatusGatewayTimeout, "timeout", err.Error())
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		writeError(w, statusClientGone, "canceled", "the request was canceled")
	default:
		a.log.Error("answer a Loki request", "path", r.URL.Path, "error", err)
		writeError(w, http.StatusInternalServerError, "internal", err.Error())
	}
}
