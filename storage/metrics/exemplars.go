package metrics

import (
	"context"
	"math"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/clewhq/clew/correlation"
)

// exemplarIDs knows which IDs the exemplars of a TSDB may name. Those that ask
// for the exemplars of an ID mostly ask for one that none names, and the TSDB
// would go through all of them to find that out.
//
// The invariant: what the TSDB keeps is in known, which has what it kept when
// known was made, or in noted, which has what was appended since, whether that
// was kept or not.
type exemplarIDs struct {
	mu    sync.Mutex
	known map[uint64]struct{} // nil before it was made
	noted map[uint64]struct{}
}

// notedPerKept bounds what is noted: so many IDs for each exemplar that is kept.
const notedPerKept = 4

// note takes the IDs of exemplars that are appended.
func (x *exemplarIDs) note(db *openDB, kept int64, list ...exemplar.Exemplar) {
	if len(list) == 0 || kept == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.noted == nil {
		x.noted = map[uint64]struct{}{}
	}
	for _, e := range list {
		addLabelIDs(x.noted, e.Labels)
	}
	if int64(len(x.noted)) > notedPerKept*kept {
		before := x.noted
		x.noted = map[uint64]struct{}{}
		if x.known = x.load(db); x.known != nil {
			for id := range before { // some may not be committed yet
				x.known[id] = struct{}{}
			}
		}
	}
}

func addLabelIDs(to map[uint64]struct{}, ls labels.Labels) {
	ls.Range(func(l labels.Label) {
		if id, _, ok := correlation.LabelID(l.Name, l.Value); ok {
			to[correlation.Hash(id)] = struct{}{}
		}
	})
}

// load returns the IDs of the exemplars that the TSDB keeps, nil where they
// cannot be read.
func (x *exemplarIDs) load(db *openDB) map[uint64]struct{} {
	q, err := db.ExemplarQuerier(context.Background())
	if err != nil {
		return nil
	}
	all, err := q.Select(math.MinInt64, math.MaxInt64, []*labels.Matcher{anySeries})
	if err != nil {
		return nil
	}
	out := map[uint64]struct{}{}
	for _, series := range all {
		for _, e := range series.Exemplars {
			addLabelIDs(out, e.Labels)
		}
	}
	return out
}

// anySeries matches all series.
var anySeries = labels.MustNewMatcher(labels.MatchNotEqual, model.MetricNameLabel, "")

// mayHave reports whether an exemplar may name one of ids.
func (x *exemplarIDs) mayHave(db *openDB, ids []string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.known == nil {
		if x.known = x.load(db); x.known == nil {
			return true // reading them says what is wrong
		}
	}
	for _, id := range ids {
		h := correlation.Hash(id)
		if _, ok := x.known[h]; ok {
			return true
		}
		if _, ok := x.noted[h]; ok {
			return true
		}
	}
	return false
}

// MayHaveExemplars reports whether an exemplar may name one of ids, which are in
// their normal form (see correlation.LabelID), without looking at all of them.
func (t *Tenant) MayHaveExemplars(ids []string) bool {
	db, err := t.acquire()
	if err != nil {
		return true
	}
	defer t.release(db)
	return db.exemplars.mayHave(db, ids)
}
