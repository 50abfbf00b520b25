package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/compare"
	"github.com/clewhq/clew/query/correlate"
	"github.com/clewhq/clew/query/coverage"
	"github.com/clewhq/clew/query/servicemap"
)

func (a *API) correlate(r *http.Request) (any, error) {
	q, err := a.storyRequest(r)
	if err != nil {
		return nil, err
	}
	q.ID = r.PathValue("id")
	return a.Stories.Correlate(r.Context(), q)
}

// storyRequest reads what questions for one ID and for many have in common.
func (a *API) storyRequest(r *http.Request) (correlate.Request, error) {
	q := correlate.Request{Tenant: tenant.From(r.Context())}
	var err error
	p := params{r: r, now: a.now(), err: &err}
	q.From, q.To = p.time("from", 0), p.time("to", 0)
	q.Hops, q.Limit = p.number("hops", -1, 0), p.number("limit", 0, 1)
	for kind := range strings.SplitSeq(arg(r, "follow"), ",") {
		if kind = strings.TrimSpace(kind); kind != "" {
			q.Follow = append(q.Follow, correlation.Kind(kind))
		}
	}
	return q, err
}

// Batch is a question for many IDs.
type Batch struct {
	IDs []string `json:"ids"`
}

// Stories are the answers to a Batch, in its order.
type Stories struct {
	Stories []StoryOf `json:"stories"`
}

// StoryOf is the answer for one ID of many: a story, or why there is none.
type StoryOf struct {
	ID    string            `json:"id"` // as it was asked for
	Story *correlate.Answer `json:"story,omitempty"`
	Error string            `json:"error,omitempty"`
}

// The bounds of a question for many IDs.
const (
	maxBatchBytes   = 1 << 20
	leastBatchLimit = 100 // timeline entries of each story
)

// correlateMany answers for many IDs in one go. The parameters of the question
// for one hold for each of them; the default limit is shared among them.
func (a *API) correlateMany(r *http.Request) (any, error) {
	q, err := a.storyRequest(r)
	if err != nil {
		return nil, err
	}
	var b Batch
	body := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBatchBytes))
	if err := body.Decode(&b); err != nil {
		return nil, badRequest{fmt.Errorf(`the body is no JSON such as {"ids": ["4bf9...", "req-8f3a2b"]}: %w`, err)}
	}
	cfg := a.Stories.Config()
	switch {
	case len(b.IDs) == 0:
		return nil, badRequest{errors.New("ids is empty: want at least one ID")}
	case len(b.IDs) > cfg.MaxBatch:
		return nil, badRequest{fmt.Errorf("ids has %d IDs: want at most %d", len(b.IDs), cfg.MaxBatch)}
	case q.Limit == 0:
		q.Limit = min(max(cfg.DefaultLimit/len(b.IDs), leastBatchLimit), cfg.DefaultLimit)
	}
	out := Stories{Stories: make([]StoryOf, 0, len(b.IDs))}
	for _, id := range b.IDs {
		q.ID = id
		one := StoryOf{ID: id}
		one.Story, err = a.Stories.Correlate(r.Context(), q)
		switch {
		case errors.Is(err, correlate.ErrNotFound), errors.Is(err, correlate.ErrBadRequest):
			one.Error = err.Error()
		case err != nil:
			return nil, err
		}
		out.Stories = append(out.Stories, one)
	}
	return out, nil
}

// The formats of a map.
const (
	formatJSON      = "json"
	formatDOT       = "dot"
	formatMermaid   = "mermaid"
	formatNodeGraph = "nodegraph"
)

func (a *API) servicemap(r *http.Request) (any, error) {
	cfg, now := a.Maps.Config(), a.now()
	var err error
	p := params{r: r, now: now, err: &err}
	q := servicemap.Query{Tenant: tenant.From(r.Context())}
	q.From, q.To = p.span(cfg.DefaultRange)
	service, source, target, format := arg(r, "service"), arg(r, "source"), arg(r, "target"), arg(r, "format")
	depth := p.number("depth", 1, 0)
	p.compared(&q)
	switch {
	case err != nil:
		return nil, err
	case depth > cfg.MaxDepth:
		return nil, badRequest{fmt.Errorf("parameter depth is %d: want 0 to %d", depth, cfg.MaxDepth)}
	case service == "" && arg(r, "depth") != "":
		return nil, badRequest{errors.New("parameter depth says how far around a service: give service, too")}
	case (source == "") != (target == ""):
		return nil, badRequest{errors.New("parameters source and target are the two ends of a way: give both")}
	case source != "" && service != "":
		return nil, badRequest{errors.New("parameters service and source, target exclude each other")}
	case !slices.Contains([]string{"", formatJSON, formatDOT, formatMermaid, formatNodeGraph}, format):
		return nil, badRequest{fmt.Errorf("parameter format is %q: want json, dot, mermaid or nodegraph", format)}
	}
	m, err := a.Maps.Map(r.Context(), q)
	if err != nil {
		return nil, err
	}
	switch {
	case service != "":
		m = m.Around(service, depth)
	case source != "":
		m = m.Between(source, target)
	}
	switch format {
	case formatDOT:
		return text{"text/vnd.graphviz; charset=utf-8", m.DOT()}, nil
	case formatMermaid:
		return text{"text/plain; charset=utf-8", m.Mermaid()}, nil
	case formatNodeGraph:
		return m.NodeGraph(), nil
	}
	return m, nil
}

// compared reads what a map is compared with: the period before, or a range.
func (p params) compared(q *servicemap.Query) {
	with := p.arg("compare")
	q.BeforeFrom, q.BeforeTo = p.time("compare_from", 0), p.time("compare_to", 0)
	switch {
	case *p.err != nil:
	case with == "previous" && q.BeforeTo == 0:
		q.BeforeFrom, q.BeforeTo = max(q.From-(q.To-q.From), 0), q.From
	case with != "":
		*p.err = badRequest{fmt.Errorf("parameter compare is %q: want previous, or compare_from and compare_to", with)}
	case (q.BeforeTo != 0 || q.BeforeFrom != 0) && q.BeforeFrom >= q.BeforeTo:
		*p.err = badRequest{errors.New("parameter compare_from must be before compare_to: give both")}
	}
}

func (a *API) coverage(r *http.Request) (any, error) {
	var err error
	p := params{r: r, now: a.now(), err: &err}
	from, to := p.span(a.Coverage.Config().DefaultRange)
	if err != nil {
		return nil, err
	}
	return a.Coverage.Coverage(r.Context(), coverage.Query{Tenant: tenant.From(r.Context()), From: from, To: to})
}

func (a *API) compare(r *http.Request) (any, error) {
	var err error
	p := params{r: r, now: a.now(), err: &err}
	q := compare.Request{Tenant: tenant.From(r.Context()), Signal: arg(r, "signal"), Selection: arg(r, "selection"), Baseline: arg(r, "baseline"),
		By: arg(r, "by"), Limit: p.number("limit", 0, 1)}
	q.From, q.To = p.span(a.Compare.Config().DefaultRange)
	if err != nil {
		return nil, err
	}
	return a.Compare.Compare(r.Context(), q)
}

// text is an answer that is not JSON.
type text struct{ contentType, body string }

func (t text) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", t.contentType)
	_, _ = w.Write([]byte(t.body)) // the caller may have gone
}

// span reads from and to, which are by default the last of the time given.
func (p params) span(otherwise model.Duration) (from, to int64) {
	to = p.time("to", p.now.UnixNano())
	from = p.time("from", max(to-int64(otherwise), 0))
	if *p.err == nil && from >= to {
		*p.err = badRequest{fmt.Errorf("parameter from (%s) must be before to (%s)", stamp(from), stamp(to))}
	}
	return from, to
}
