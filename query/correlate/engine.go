package correlate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clewhq/clew/correlation"
	"github.com/clewhq/clew/storage"
)

// ErrNotFound says that no record carries the ID.
var ErrNotFound = errors.New("nothing carries this ID")

// ErrBadRequest is wrapped by errors that the one who asks can mend.
var ErrBadRequest = errors.New("bad request")

// Request is one question.
type Request struct {
	Tenant string
	ID     string
	// From and To bound the records in Unix nanoseconds; zero is no bound.
	From, To int64
	// Hops is how far to follow IDs, negative for the default.
	Hops int
	// Limit is the number of timeline entries, 0 for the default.
	Limit int
	// Follow names kinds of IDs that are followed beside those that join by
	// themselves: session_id, order_id.
	Follow []correlation.Kind
}

// Engine answers questions about IDs. It is safe for concurrent use.
type Engine struct {
	cfg       Config
	reader    storage.Reader
	exemplars Exemplars
}

// New returns an engine over reader. Exemplars may be nil.
func New(cfg Config, reader storage.Reader, exemplars Exemplars) *Engine {
	return &Engine{cfg: cfg, reader: reader, exemplars: exemplars}
}

// Config returns what the engine was made with.
func (e *Engine) Config() Config { return e.cfg }

// Correlate returns everything that happened to an ID. The error wraps
// ErrNotFound where nothing carries it and ErrBadRequest where the question is
// wrong.
func (e *Engine) Correlate(ctx context.Context, q Request) (*Answer, error) {
	if err := e.complete(&q); err != nil {
		return nil, err
	}
	var g *gather
	var err error
	for _, id := range correlation.Spellings(q.ID) {
		g = newGather(e, q, id)
		if err = g.run(ctx); err != nil {
			return nil, err
		}
		if !g.empty() {
			break
		}
	}
	var a *Answer
	if g.empty() && len(g.warnings) == 0 {
		if a, err = e.onlyExemplars(ctx, q); err != nil {
			return nil, err
		}
		if a == nil {
			return nil, notFound(q.ID)
		}
	} else {
		a = g.answer()
		e.addExemplars(ctx, q, g, a)
	}
	a.Gaps = gaps(a.Timeline, time.Duration(e.cfg.GapAtLeast), e.cfg.MaxGaps)
	finish(a, q.Limit)
	if a.Nearby, err = g.nearby(ctx, a.Range.From, a.Range.To); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		a.Partial = true
		a.Warnings = append(a.Warnings, "what happened nearby is missing: "+err.Error())
	}
	known := len(g.warnings)
	g.admitLacks()
	a.Partial = a.Partial || g.partial
	a.Warnings = append(a.Warnings, g.warnings[known:]...)
	return a, nil
}

// complete puts defaults in and refuses what is out of bounds.
func (e *Engine) complete(q *Request) error {
	if correlation.Normalize(q.ID) == "" {
		return fmt.Errorf("%w: the ID is empty", ErrBadRequest)
	}
	if q.Hops < 0 {
		q.Hops = e.cfg.DefaultHops
	}
	if q.Hops > e.cfg.MaxHops {
		return fmt.Errorf("%w: hops is %d: want 0 to %d", ErrBadRequest, q.Hops, e.cfg.MaxHops)
	}
	if q.Limit == 0 {
		q.Limit = e.cfg.DefaultLimit
	}
	if q.Limit < 0 || q.Limit > e.cfg.MaxLimit {
		return fmt.Errorf("%w: limit is %d: want 1 to %d", ErrBadRequest, q.Limit, e.cfg.MaxLimit)
	}
	if q.From < 0 || q.To < 0 || q.To != 0 && q.To <= q.From {
		return fmt.Errorf("%w: to must be after from", ErrBadRequest)
	}
	return nil
}

func notFound(id string) error {
	shaped := false
	correlation.Tokens(id, func(string) bool { shaped = true; return false })
	if shaped {
		return fmt.Errorf("%w: %q is in no stored log or span", ErrNotFound, id)
	}
	return fmt.Errorf("%w: %q is in no stored log or span. It does not look like an ID: found are the values of attributes such as "+
		"request_id or order.id, and in texts UUIDs, ULIDs, hex of 16 digits and more, long mixes of letters and digits, and prefixed IDs such as req-8f3a2b",
		ErrNotFound, id)
}

// isConstant reports whether an ID is no more than one or two signs over and
// over: what programs put where they have no ID.
func isConstant(id string) bool {
	return len(id) >= 8 && strings.Trim(id, id[:1]+id[len(id)-1:]) == ""
}
