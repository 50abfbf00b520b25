package loki

import (
	"net/http"
	"strings"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/logql/syntax"
)

// flagsHeader carries how a client wants answers encoded.
const flagsHeader = "X-Loki-Response-Encoding-Flags"

// categorizeFlag asks for labels told apart by where they come from.
const categorizeFlag = "categorize-labels"

func categorized(r *http.Request) bool {
	for _, line := range r.Header.Values(flagsHeader) {
		for _, flag := range strings.Split(line, ",") {
			if strings.TrimSpace(flag) == categorizeFlag {
				return true
			}
		}
	}
	return false
}

// query serves instant queries.
func (a *API) query(w http.ResponseWriter, r *http.Request) {
	p := logql.Params{Instant: true, Explain: explainParam(r)}
	var err error
	if p.End, err = timeParam(r, "time", a.now().UnixNano()); err != nil {
		a.fail(w, r, err)
		return
	}
	p.Start = p.End
	a.answer(w, r, p)
}

// queryRange serves log queries and metric queries over a range.
func (a *API) queryRange(w http.ResponseWriter, r *http.Request) {
	p := logql.Params{Explain: explainParam(r)}
	var err error
	if p.Start, p.End, err = a.rangeParams(r, a.cfg.DefaultRange); err != nil {
		a.fail(w, r, err)
		return
	}
	if p.Step, err = stepParam(r, p.Start, p.End); err != nil {
		a.fail(w, r, err)
		return
	}
	if p.Interval, err = secondsParam(r, "interval"); err != nil && r.Form.Get("interval") != "0" {
		a.fail(w, r, err)
		return
	}
	a.answer(w, r, p)
}

// answer reads the parameters that both kinds share, and runs the query.
func (a *API) answer(w http.ResponseWriter, r *http.Request, p logql.Params) {
	text, err := requiredQuery(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if p.Limit, err = countParam(r, "limit", a.cfg.DefaultLimit); err != nil {
		a.fail(w, r, err)
		return
	}
	if p.Direction, err = directionParam(r); err != nil {
		a.fail(w, r, err)
		return
	}
	began := a.now()
	expr, err := a.engine.Parse(text)
	parse := a.now().Sub(began)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if _, isLog := expr.(*syntax.LogExpr); !isLog {
		p.Limit = 0 // a limit is for lines
	}
	res, err := a.engine.Eval(r.Context(), tenant.From(r.Context()), expr, p)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	var explain *explanation
	if p.Explain {
		e := explainOf(res, parse)
		explain = &e
	}
	writeResult(w, res, categorized(r), explain)
}

func (a *API) formatQuery(w http.ResponseWriter, r *http.Request) {
	text, err := requiredQuery(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	expr, err := a.engine.Parse(text)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, map[string]any{"status": "success", "data": expr.String()})
}
