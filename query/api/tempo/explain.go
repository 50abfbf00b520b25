package tempo

import (
	"net/http"
	"strconv"

	"github.com/clewhq/clew/query/traceql"
)

// explained is the answer to ?explain=1, in place of the query's own: how it
// was answered, and how many traces or series there are. It is this server's
// own addition to Tempo's API.
type explained struct {
	traceql.Explain
	Warnings []string `json:"warnings"`
	Results  int      `json:"results"`
}

func wantsExplain(r *http.Request) bool {
	on, err := strconv.ParseBool(r.URL.Query().Get("explain"))
	return err == nil && on
}

// nonNil makes an empty list of none, which JSON shows as [].
func nonNil(list []string) []string { return append([]string{}, list...) }
