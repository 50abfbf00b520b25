package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/internal/timearg"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Trailers of an answer: how many rows it has, and each thing that is missing.
const (
	RowsTrailer     = "Clew-Rows"
	WarningsTrailer = "Clew-Warnings"
)

// ContentType is Parquet's media type.
const ContentType = "application/vnd.apache.parquet"

// API answers GET /api/v1/export.
type API struct {
	exporter *Exporter
	log      *slog.Logger
	now      func() time.Time
}

// NewAPI returns the API of an exporter. A nil log is silent and a nil now the
// system's clock.
func NewAPI(e *Exporter, log *slog.Logger, now func() time.Time) *API {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	return &API{exporter: e, log: log, now: now}
}

// Register adds the API's path to mux.
func (a *API) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/export", a.export)
}

func (a *API) request(r *http.Request) (Request, error) {
	req := Request{
		Tenant: tenant.From(r.Context()), Query: strings.TrimSpace(r.FormValue("query")), Signal: telemetry.Logs,
	}
	if s := r.FormValue("signal"); s != "" {
		req.Signal = telemetry.Signal(s)
	}
	for _, p := range []struct {
		name string
		into *int64
	}{{"from", &req.From}, {"to", &req.To}} {
		s := r.FormValue(p.name)
		if s == "" {
			continue
		}
		t, err := timearg.Parse(s, a.now())
		if err != nil {
			return req, fmt.Errorf("parameter %s: %w", p.name, err)
		}
		*p.into = t.UnixNano()
	}
	if req.To != 0 && req.From >= req.To {
		return req, fmt.Errorf("parameter from (%q) must be before to (%q)", r.FormValue("from"), r.FormValue("to"))
	}
	return req, nil
}

func (a *API) export(w http.ResponseWriter, r *http.Request) {
	req, err := a.request(r)
	var run job
	if err == nil {
		run, err = a.exporter.prepare(req)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", string(req.Signal)+".parquet"))
	h.Set("Trailer", RowsTrailer+", "+WarningsTrailer)
	h.Set("No-Gzip-Compression", "1") // it is compressed
	out := &counter{w: w}
	sum, err := run(r.Context(), out)
	switch {
	case err == nil:
		h.Set(RowsTrailer, strconv.FormatInt(sum.Rows, 10))
		for _, text := range sum.Warnings {
			h.Add(WarningsTrailer, strings.Map(oneLine, text))
		}
		return
	case errors.Is(err, context.Canceled):
	default:
		a.log.Error("an export failed", "signal", req.Signal, "tenant", req.Tenant, "error", err)
	}
	if out.n == 0 {
		for _, name := range []string{"Trailer", "Content-Disposition", "No-Gzip-Compression"} {
			h.Del(name)
		}
		code := http.StatusInternalServerError
		if storage.IsPassing(err) {
			code = http.StatusServiceUnavailable
		}
		writeError(w, code, err)
		return
	}
	// Half a file must not look like a whole one.
	panic(http.ErrAbortHandler)
}

// counter knows whether the answer has begun.
type counter struct {
	w http.ResponseWriter
	n int64
}

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// oneLine keeps a header a header.
func oneLine(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

func writeError(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // the caller may have gone
}
