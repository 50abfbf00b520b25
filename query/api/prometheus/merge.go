package prometheus

import (
	"context"
	"errors"

	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// merged reads stored series together with computed ones. Computing may fail
// where reading does not: its errors become warnings of the answer.
type merged struct {
	stored promstorage.SampleAndChunkQueryable
	extra  promstorage.Queryable
}

// Querier implements promstorage.Queryable.
func (m merged) Querier(mint, maxt int64) (promstorage.Querier, error) {
	stored, err := m.stored.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return promstorage.NewMergeQuerier(
		[]promstorage.Querier{stored}, []promstorage.Querier{m.extraQuerier(mint, maxt)}, promstorage.ChainedSeriesMerge,
	), nil
}

// ChunkQuerier implements promstorage.ChunkQueryable.
func (m merged) ChunkQuerier(mint, maxt int64) (promstorage.ChunkQuerier, error) {
	stored, err := m.stored.ChunkQuerier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return promstorage.NewMergeChunkQuerier(
		[]promstorage.ChunkQuerier{stored}, []promstorage.ChunkQuerier{chunked{m.extraQuerier(mint, maxt)}},
		promstorage.NewCompactingChunkSeriesMerger(promstorage.ChainedSeriesMerge),
	), nil
}

func (m merged) extraQuerier(mint, maxt int64) promstorage.Querier {
	q, err := m.extra.Querier(mint, maxt)
	if err != nil {
		return failed{err}
	}
	return q
}

// chunked gives samples as chunks.
type chunked struct{ promstorage.Querier }

// Select implements promstorage.ChunkQuerier.
func (c chunked) Select(ctx context.Context, sort bool, hints *promstorage.SelectHints, ms ...*labels.Matcher) promstorage.ChunkSeriesSet {
	return promstorage.NewSeriesSetToChunkSet(c.Querier.Select(ctx, sort, hints, ms...))
}

// failed answers everything with an error.
type failed struct{ err error }

func (f failed) fail() error { return errors.Join(errors.New("computed series are missing"), f.err) }

// Select implements promstorage.Querier.
func (f failed) Select(context.Context, bool, *promstorage.SelectHints, ...*labels.Matcher) promstorage.SeriesSet {
	return promstorage.ErrSeriesSet(f.fail())
}

// LabelValues implements promstorage.LabelQuerier.
func (f failed) LabelValues(context.Context, string, *promstorage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, f.fail()
}

// LabelNames implements promstorage.LabelQuerier.
func (f failed) LabelNames(context.Context, *promstorage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, f.fail()
}

// Close implements promstorage.LabelQuerier.
func (failed) Close() error { return nil }
