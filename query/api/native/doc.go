// Package native speaks clew's own HTTP API: the whole story of an ID, the map
// of who calls whom, and the OpenAPI description of both and of what server/
// adds (health, status).
//
// It owns parameters, status codes and shapes of errors; the answers are those
// of query/correlate and query/servicemap.
package native
