package deletion

import (
	"fmt"
	"net/http"
	"strconv"

	logql "github.com/clewhq/clew/query/logql/syntax"
	traceql "github.com/clewhq/clew/query/traceql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// broadParameter confirms a query that may select nearly everything.
const broadParameter = "broad"

// narrow refuses a query that may select far more than was meant, as one with a
// variable that was not set, unless the request confirms it. One that cannot be
// read is the store's to refuse.
func narrow(r *http.Request, d storage.Deletion) error {
	if s := r.FormValue(broadParameter); s != "" {
		broad, err := strconv.ParseBool(s)
		if err != nil {
			return badParameter{fmt.Errorf("parameter %s is %q, want true or false", broadParameter, s)}
		}
		if broad {
			return nil
		}
	}
	if why := broad(d); why != "" {
		return badParameter{fmt.Errorf("the query may select nearly everything: %s. Give a value to select by, or confirm with %s=true (clew delete --%s)",
			why, broadParameter, broadParameter)}
	}
	return nil
}

func broad(d storage.Deletion) string {
	if d.Signal == telemetry.Traces {
		if q, err := traceql.Parse(d.Query); err == nil {
			return q.Broad()
		}
		return ""
	}
	if e, err := logql.ParseLog(d.Query); err == nil {
		return e.Broad()
	}
	return ""
}
