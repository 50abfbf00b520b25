package storagetest

import (
	"context"
	"testing"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// Tenant owns what the suite writes.
const Tenant = "suite"

// Run tests the contract on stores that open returns, a new and empty one each
// time, which it closes with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) storage.Store) {
	for name, test := range map[string]func(*testing.T, storage.Store){
		"logs come back equal":           logsEqual,
		"log order and bounds":           logOrder,
		"same nanosecond, same order":    sameNanosecond,
		"early stop":                     earlyStop,
		"logs by ID":                     logsByID,
		"logs by stream":                 logsByStream,
		"text and severity lose nothing": hints,
		"projection":                     projection,
		"spans come back equal":          spansEqual,
		"spans by trace":                 spansByTrace,
		"spans by ID":                    spansByID,
		"spans by duration and bounds":   spansByDuration,
		"spans like those wanted":        spansLike,
		"logs with a text":               logsWhere,
		"streams":                        streams,
		"streams within a range":         streamsWithin,
		"tenants are apart":              tenants,
		"duplicates are stored once":     duplicates,
		"duplicates under way":           duplicatesTogether,
		"nothing is a no-op":             empty,
		"many days":                      manyDays,
		"counts":                         counted,
		"counts in groups":               grouped,
		"spans in groups":                spansGrouped,
		"versions":                       versions,
		"context ends a read":            contextEnds,
		"writers and readers at once":    concurrent,
		"a closed store refuses":         closed,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			test(t, s)
		})
	}
}

// WriteLogs writes a batch that must be taken.
func WriteLogs(t testing.TB, s storage.Writer, tenant string, b *telemetry.LogBatch) {
	t.Helper()
	if r, err := s.WriteLogs(context.Background(), tenant, b); err != nil || r.Duplicate {
		t.Fatalf("write logs: %+v, %v", r, err)
	}
}

// WriteSpans writes a batch that must be taken.
func WriteSpans(t testing.TB, s storage.Writer, tenant string, b *telemetry.SpanBatch) {
	t.Helper()
	if r, err := s.WriteSpans(context.Background(), tenant, b); err != nil || r.Duplicate {
		t.Fatalf("write spans: %+v, %v", r, err)
	}
}

// Logs reads everything that q selects; the answer must be whole.
func Logs(t testing.TB, s storage.Reader, q storage.LogQuery) []telemetry.Log {
	t.Helper()
	if q.Stats == nil {
		q.Stats = &storage.ReadStats{}
	}
	var out []telemetry.Log
	for batch, err := range s.Logs(context.Background(), q) {
		if err != nil {
			t.Fatalf("read logs: %v", err)
		}
		out = append(out, batch...)
	}
	if len(q.Stats.Warnings) > 0 {
		t.Fatalf("the answer is not whole: %v", q.Stats.Warnings)
	}
	return out
}

// Spans reads everything that q selects; the answer must be whole.
func Spans(t testing.TB, s storage.Reader, q storage.SpanQuery) []telemetry.Span {
	t.Helper()
	if q.Stats == nil {
		q.Stats = &storage.ReadStats{}
	}
	var out []telemetry.Span
	for batch, err := range s.Spans(context.Background(), q) {
		if err != nil {
			t.Fatalf("read spans: %v", err)
		}
		out = append(out, batch...)
	}
	if len(q.Stats.Warnings) > 0 {
		t.Fatalf("the answer is not whole: %v", q.Stats.Warnings)
	}
	return out
}

// fill writes a few batches of logs and returns all records.
func fill(t *testing.T, s storage.Store, g *Gen, batches, size int) []telemetry.Log {
	t.Helper()
	var all []telemetry.Log
	for range batches {
		b := g.Logs(size)
		WriteLogs(t, s, Tenant, b)
		all = append(all, b.Logs...)
	}
	return all
}

func fillSpans(t *testing.T, s storage.Store, g *Gen, batches, size int) []telemetry.Span {
	t.Helper()
	var all []telemetry.Span
	for range batches {
		b := g.Spans(size)
		WriteSpans(t, s, Tenant, b)
		all = append(all, b.Spans...)
	}
	return all
}

// where returns the elements that the condition is true for.
func where[T any](list []T, cond func(*T) bool) []T {
	var out []T
	for i := range list {
		if cond(&list[i]) {
			out = append(out, list[i])
		}
	}
	return out
}
