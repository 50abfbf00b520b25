package metrics

import (
	"context"
	"sync"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// Querier implements promstorage.Queryable.
func (t *Tenant) Querier(mint, maxt int64) (promstorage.Querier, error) {
	db, err := t.acquire()
	if err != nil {
		return nil, err
	}
	q, err := db.Querier(mint, maxt)
	if err != nil {
		t.release(db)
		return nil, err
	}
	return &querier{Querier: q, release: sync.OnceFunc(func() { t.release(db) })}, nil
}

// ChunkQuerier implements promstorage.ChunkQueryable.
func (t *Tenant) ChunkQuerier(mint, maxt int64) (promstorage.ChunkQuerier, error) {
	db, err := t.acquire()
	if err != nil {
		return nil, err
	}
	q, err := db.ChunkQuerier(mint, maxt)
	if err != nil {
		t.release(db)
		return nil, err
	}
	return &chunkQuerier{ChunkQuerier: q, release: sync.OnceFunc(func() { t.release(db) })}, nil
}

// ExemplarQuerier implements promstorage.ExemplarQueryable.
func (t *Tenant) ExemplarQuerier(context.Context) (promstorage.ExemplarQuerier, error) {
	return exemplarQuerier{t}, nil
}

// Stats describes the head, for the API's status pages.
func (t *Tenant) Stats(label string, limit int) (*tsdb.Stats, error) {
	db, err := t.acquire()
	if err != nil {
		return nil, err
	}
	defer t.release(db)
	return db.Head().Stats(label, limit), nil
}

// BlockMetas describes the blocks, for the API's status pages.
func (t *Tenant) BlockMetas() ([]tsdb.BlockMeta, error) {
	db, err := t.acquire()
	if err != nil {
		return nil, err
	}
	defer t.release(db)
	return db.BlockMetas(), nil
}

type querier struct {
	promstorage.Querier
	release func()
}

// Close gives the reference to the TSDB back.
func (q *querier) Close() error {
	defer q.release()
	return q.Querier.Close()
}

type chunkQuerier struct {
	promstorage.ChunkQuerier
	release func()
}

// Close gives the reference to the TSDB back.
func (q *chunkQuerier) Close() error {
	defer q.release()
	return q.ChunkQuerier.Close()
}

// exemplarQuerier has no Close, so it takes a reference per Select.
type exemplarQuerier struct{ t *Tenant }

// Select implements promstorage.ExemplarQuerier.
func (q exemplarQuerier) Select(start, end int64, matchers ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	db, err := q.t.acquire()
	if err != nil {
		return nil, err
	}
	defer q.t.release(db)
	eq, err := db.ExemplarQuerier(context.Background())
	if err != nil {
		return nil, err
	}
	return eq.Select(start, end, matchers...)
}
