// Package web is the page at `/`: a place to pull an ID, and the map. It is
// static; everything it shows it asks of clew's own API. It imports nothing of
// clew.
package web

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed static
var static embed.FS

// policy lets the page load its own files and ask its own server, nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Register serves the page at exactly `/` and its files below `/static/`.
func Register(mux *http.ServeMux) error {
	files, err := fs.Sub(static, "static")
	if err != nil {
		return err
	}
	serve := http.FileServerFS(files)
	secured := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		serve.ServeHTTP(w, r)
	})
	mux.Handle("GET /{$}", secured)
	mux.Handle("GET /static/", http.StripPrefix("/static", secured))
	return nil
}
