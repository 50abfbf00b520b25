package export

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/query/traceql"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Request says what to export.
type Request struct {
	Tenant string
	// Signal is telemetry.Logs or telemetry.Traces.
	Signal telemetry.Signal
	// Query is LogQL for logs and TraceQL for spans; "" selects everything.
	Query string
	// From and To bound the records in Unix nanoseconds: From <= time < To. A
	// zero To is no bound.
	From, To int64
}

// Summary says what was written.
type Summary struct {
	Rows int64
	// Warnings say what is missing and why; none where the export is whole.
	Warnings []string
}

// Exporter exports.
type Exporter struct {
	logs  *logql.Engine
	spans *traceql.Engine
	store storage.Reader
}

// New returns an exporter of what a store holds. The engines say what a query
// selects.
func New(logs *logql.Engine, spans *traceql.Engine, store storage.Reader) *Exporter {
	return &Exporter{logs: logs, spans: spans, store: store}
}

// rowGroupRows is how many rows are held in memory, encoded, before they are
// written: enough for a reader to work through in parallel.
const rowGroupRows = 64 << 10

// job is an export that is ready to be read and written.
type job func(ctx context.Context, out io.Writer) (Summary, error)

// prepare checks a request. Its errors are the caller's fault.
func (e *Exporter) prepare(req Request) (job, error) {
	switch req.Signal {
	case telemetry.Logs:
		return e.prepareLogs(req)
	case telemetry.Traces:
		return e.prepareSpans(req)
	}
	return nil, fmt.Errorf("signal %q: want %s or %s", req.Signal, telemetry.Logs, telemetry.Traces)
}

// Export writes what is selected to out, oldest logs first, spans in the order
// in which the store has them. An error leaves a file that no reader takes.
func (e *Exporter) Export(ctx context.Context, req Request, out io.Writer) (Summary, error) {
	run, err := e.prepare(req)
	if err != nil {
		return Summary{}, err
	}
	return run(ctx, out)
}

func (e *Exporter) prepareLogs(req Request) (job, error) {
	sel := storage.LogSelection{}
	if req.Query != "" {
		var err error
		if sel, err = e.logs.Select(req.Query); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, out io.Writer) (Summary, error) {
		q, stats := sel.Query, storage.ReadStats{}
		q.Tenant, q.From, q.To, q.Order, q.Stats = req.Tenant, req.From, req.To, storage.OldestFirst, &stats
		return write(out, e.store.Logs(ctx, q), sel.Match, streams{}.log, &stats)
	}, nil
}

func (e *Exporter) prepareSpans(req Request) (job, error) {
	sel := storage.SpanSelection{}
	if req.Query != "" {
		var err error
		if sel, err = e.spans.Select(req.Query); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, out io.Writer) (Summary, error) {
		q, stats := sel.Query, storage.ReadStats{}
		q.Tenant, q.From, q.To, q.Stats = req.Tenant, req.From, req.To, &stats
		return write(out, e.store.Spans(ctx, q), sel.Match, streams{}.span, &stats)
	}, nil
}

// write turns the records that match into rows of a file.
func write[T, R any](out io.Writer, batches iter.Seq2[[]T, error], match func(*T) bool, row func(*T) R, stats *storage.ReadStats) (Summary, error) {
	w := parquet.NewGenericWriter[R](out, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(rowGroupRows))
	var s Summary
	var rows []R
	for batch, err := range batches {
		if err != nil {
			return s, fmt.Errorf("read what to export: %w", err)
		}
		rows = rows[:0]
		for i := range batch {
			if match == nil || match(&batch[i]) {
				rows = append(rows, row(&batch[i]))
			}
		}
		if _, err := w.Write(rows); err != nil {
			return s, fmt.Errorf("write Parquet: %w", err)
		}
		s.Rows += int64(len(rows))
	}
	s.Warnings = stats.Warnings
	for i, text := range s.Warnings {
		w.SetKeyValueMetadata("clew.warning."+strconv.Itoa(i), text)
	}
	if err := w.Close(); err != nil {
		return s, fmt.Errorf("write Parquet: %w", err)
	}
	return s, nil
}
