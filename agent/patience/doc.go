// Package patience is the clew_patience extension: an HTTP client middleware
// that decides which answers of a server are worth a retry.
//
// The Collector's OTLP exporter drops a request for good on any status that
// the OTLP specification does not list as retryable. That loses data to a
// token that was mistyped, a proxy that answers 404 while its backend
// restarts, or a server that answers 500: none of these say that the data
// itself is bad. This extension turns them into 503, so that the data wait in
// the queue on disk until somebody has mended it. What the server says about
// the data (400, 413, 415, 422) stays final, so that one bad request does not
// block everything behind it.
//
// The exporter also takes any 2xx for a receipt, a login page's included. What is
// not the answer of a server of OTLP becomes an error that is tried again, too.
package patience
