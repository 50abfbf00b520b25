package realtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/internal/elastictest"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// fragile is a store whose shards have no copies, one on each node of a
// cluster.
type fragile struct {
	t     *testing.T
	store *elastic.Store
	logs  []telemetry.Log
	spans []telemetry.Span
	gen   *storagetest.Gen
}

// newFragile fills it. An old cluster knows of no points in time that lack
// shards.
func newFragile(t *testing.T, cluster *elastictest.Cluster, old bool, seed uint64) *fragile {
	t.Helper()
	cfg, d := config(), deps()
	quick(&cfg)
	cfg.Addresses, cfg.Shards, cfg.ReadWait = cluster.URLs(), len(cluster.Nodes), model.Duration(300*time.Millisecond)
	if old {
		way := &faulty{}
		way.set(asOldElasticsearch)
		d.Transport = way
	}
	f := &fragile{t: t, store: opened(t, cfg, d), gen: storagetest.NewGen(seed)}
	spans := f.gen.Spans(150)
	storagetest.WriteSpans(t, f.store, "me", spans)
	f.spans = spans.Spans
	f.write()
	f.whole()
	return f
}

// asOldElasticsearch answers as version 8.12 does.
func asOldElasticsearch(r *http.Request) (*http.Response, bool, error) {
	switch {
	case r.URL.Path == "/":
		return status(http.StatusOK, `{"version":{"number":"8.12.0"}}`), false, nil
	case strings.HasSuffix(r.URL.Path, "/_pit") && r.URL.Query().Has("allow_partial_search_results"):
		return status(http.StatusBadRequest, `{"error":{"type":"illegal_argument_exception","reason":"unrecognized parameter: [allow_partial_search_results]"}}`), false, nil
	}
	return nil, false, nil
}

func (f *fragile) write() {
	f.t.Helper()
	b := f.gen.Logs(150)
	storagetest.WriteLogs(f.t, f.store, "me", b)
	f.logs = append(f.logs, b.Logs...)
}

// answer is how many records a question is answered with, and what it says is
// missing.
type answer struct {
	records  int
	warnings []string
	err      error
}

func rows[T any](seq func(yield func([]T, error) bool)) (n int, err error) {
	for batch, e := range seq {
		n, err = n+len(batch), e
	}
	return n, err
}

// ask asks for all records in every way there is.
func (f *fragile) ask() map[string]answer {
	ctx, s := context.Background(), f.store
	all := func(*telemetry.Stream) bool { return true }
	out := map[string]answer{}
	put := func(name string, stats *storage.ReadStats, n int, err error) {
		out[name] = answer{n, stats.Warnings, err}
	}
	var stats [7]storage.ReadStats
	n, err := rows(s.Logs(ctx, storage.LogQuery{Tenant: "me", Stats: &stats[0]}))
	put("logs", &stats[0], n, err)
	n, err = rows(s.Logs(ctx, storage.LogQuery{Tenant: "me", Stream: all, Columns: storage.ColSeverity, Stats: &stats[1]}))
	put("logs of streams", &stats[1], n, err)
	n, err = rows(s.Spans(ctx, storage.SpanQuery{Tenant: "me", Stats: &stats[2]}))
	put("spans", &stats[2], n, err)
	var traces []telemetry.TraceID
	for i := range f.spans {
		traces = append(traces, f.spans[i].TraceID)
	}
	n, err = rows(s.Spans(ctx, storage.SpanQuery{Tenant: "me", TraceIDs: traces, Stats: &stats[3]}))
	put("spans of traces", &stats[3], n, err)
	n = 0
	err = s.CountLogs(ctx, storage.LogQuery{Tenant: "me", To: 1 << 62, Stats: &stats[4]}, 0, func(_ *telemetry.Stream, _ int, c int64) { n += int(c) })
	put("counted logs", &stats[4], n, err)
	for i, sig := range []telemetry.Signal{telemetry.Logs, telemetry.Traces} {
		list, err := s.Streams(ctx, "me", sig, 0, 0, &stats[5+i])
		n = 0
		for _, st := range list {
			n += int(st.Records)
		}
		put("streams of "+string(sig), &stats[5+i], n, err)
	}
	return out
}

func (f *fragile) want(question string) int {
	if strings.Contains(question, "spans") || strings.HasSuffix(question, string(telemetry.Traces)) {
		return len(f.spans)
	}
	return len(f.logs)
}

// whole waits until every question has a whole answer. One that says nothing
// of what is missing has to be whole at any time.
func (f *fragile) whole() {
	f.t.Helper()
	var last string
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		last = ""
		for question, a := range f.ask() {
			if a.err == nil && len(a.warnings) == 0 && a.records != f.want(question) {
				f.t.Fatalf("%s: %d of %d, and nothing is said of what is missing", question, a.records, f.want(question))
			}
			if a.err != nil || len(a.warnings) > 0 {
				last = fmt.Sprintf("%s: %+v", question, a)
			}
		}
		if last == "" {
			return
		}
	}
	f.t.Fatal("there are no whole answers: " + last)
}

// partial demands that every question is answered from the shards that are
// there, says that others are missing, and that nothing is kept of it.
func (f *fragile) partial() {
	f.t.Helper()
	var answers map[string]answer
	until(f.t, "answers without a node", func() bool {
		answers = f.ask()
		for _, a := range answers {
			if a.err != nil {
				return false
			}
		}
		return true
	})
	for question, a := range answers {
		said := strings.Join(a.warnings, "; ")
		if a.err != nil || a.records == 0 || a.records >= f.want(question) ||
			!strings.Contains(said, "of 3 shards of Elasticsearch did not answer") || !strings.Contains(said, "no node that is there has a copy") {
			f.t.Errorf("%s: %d of %d records, %v, warnings %q", question, a.records, f.want(question), a.err, said)
		}
	}
	if v, err := f.store.LogsVersion(context.Background(), "me", 0, 0); err != nil || v != (storage.Version{}) {
		f.t.Errorf("version %v, %v, want none", v, err)
	}
	if state := f.store.Remote().Breaker; state != "closed" {
		f.t.Errorf("the breaker is %s, of a cluster that answers", state)
	}
}

// TestNoShardAnswers: where nothing can be answered that is an error with its
// remedy, and no failure of the cluster, which others use.
func TestNoShardAnswers(t *testing.T) {
	t.Parallel()
	f := &faulty{}
	cfg, d := config(), deps()
	quick(&cfg)
	cfg.BreakerFailures, cfg.BreakerRequests = 3, 3
	d.Transport = f
	s := opened(t, cfg, d)
	storagetest.WriteLogs(t, s, "me", storagetest.NewGen(71).Logs(5))
	storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"})
	f.set(func(r *http.Request) (*http.Response, bool, error) {
		if !strings.HasSuffix(r.URL.Path, "_search") && !strings.HasSuffix(r.URL.Path, "_pit") {
			return nil, false, nil
		}
		return status(http.StatusServiceUnavailable, `{"error":{"type":"search_phase_execution_exception","reason":"all shards failed"}}`), false, nil
	})
	for range 5 {
		_, err := rows(s.Logs(t.Context(), storage.LogQuery{Tenant: "me"}))
		if err == nil || !strings.Contains(err.Error(), "start the nodes that are missing") {
			t.Errorf("%v, want the remedy", err)
		}
	}
	if state := s.Remote().Breaker; state != "closed" {
		t.Errorf("the breaker is %s", state)
	}
	f.set(func(r *http.Request) (*http.Response, bool, error) { return nil, false, io.ErrUnexpectedEOF })
	until(t, "the breaker to open", func() bool {
		_, err := rows(s.Logs(t.Context(), storage.LogQuery{Tenant: "me"}))
		return err != nil && s.Remote().Breaker != "closed"
	})
}

// A point in time that stood on a node that died is opened anew, on the copies
// that other nodes have: the answer is whole, wherever the read had got to.
func TestAPointInTimeIsLost(t *testing.T) {
	way := &faulty{}
	cfg, d := config(), deps()
	quick(&cfg)
	cfg.PageRows, d.Transport = 100, way
	s, gen := opened(t, cfg, d), storagetest.NewGen(7)
	batch := gen.Logs(900)
	storagetest.WriteLogs(t, s, "me", batch)
	logs := batch.Logs
	for name, answer := range map[string]func() *http.Response{
		"its node died": func() *http.Response {
			return status(http.StatusServiceUnavailable, `{"error":{"type":"search_phase_execution_exception","reason":"all shards failed"}}`)
		},
		"it is not known": func() *http.Response {
			return status(http.StatusNotFound, `{"error":{"type":"search_phase_execution_exception","reason":"all shards failed"}}`)
		},
	} {
		for page := range 3 {
			searches, opened := 0, 0
			way.set(func(r *http.Request) (*http.Response, bool, error) {
				switch {
				case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/_pit"):
					opened++
				case r.URL.Path == "/_search": // that is one in a point in time
					if searches++; searches > page && opened < 2 {
						return answer(), false, nil
					}
				}
				return nil, false, nil
			})
			var stats storage.ReadStats
			var got []telemetry.Log
			for batch, err := range s.Logs(t.Context(), storage.LogQuery{Tenant: "me", Stats: &stats}) {
				if err != nil {
					t.Errorf("%s, page %d: %v", name, page, err)
				}
				got = append(got, batch...)
			}
			if diff := storagetest.DiffLogs(got, logs); diff != "" || len(stats.Warnings) > 0 || searches < 4 {
				t.Errorf("%s, page %d: %d records, %d searches, warnings %q: %s", name, page, len(got), searches, stats.Warnings, diff)
			}
		}
	}
	way.set(nil)
}

// Sums of calls are read in the order of the disk, which is another one on
// another copy: they are read anew where nothing was read yet, and else fail
// rather than go on at a place that is not the same.
func TestAPointInTimeIsLostAmongCalls(t *testing.T) {
	way := &faulty{}
	cfg, d := config(), deps()
	quick(&cfg)
	cfg.PageRows, d.Transport = 100, way
	s, gen := opened(t, cfg, d), storagetest.NewGen(9)
	ask := func(tenant string) (*calls.Totals, error) {
		return s.Calls(t.Context(), storage.CallQuery{Tenant: tenant, From: storagetest.Base, To: storagetest.Base + 3601e9, Rules: calls.DefaultRules(), Samples: 2})
	}
	for page, whole := range []bool{true, false, false} {
		tenant := fmt.Sprint("me", page) // of whom nothing is kept yet
		storagetest.WriteSpans(t, s, tenant, gen.Spans(900))
		searches, opened := 0, 0
		way.set(func(r *http.Request) (*http.Response, bool, error) {
			if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/_pit") {
				opened++
			}
			if r.URL.Path != "/_search" || r.GetBody == nil {
				return nil, false, nil
			}
			body, err := r.GetBody()
			if err != nil {
				return nil, false, err
			}
			text, err := io.ReadAll(body)
			if err != nil || !bytes.Contains(text, []byte("_shard_doc")) {
				return nil, false, err
			}
			if searches++; searches > page && opened < 2 {
				return status(http.StatusNotFound, `{"error":{"type":"search_phase_execution_exception","reason":"all shards failed"}}`), false, nil
			}
			return nil, false, nil
		})
		if _, err := ask(tenant); (err == nil) != whole || searches <= page {
			t.Errorf("lost at page %d: %d searches, opened %d times, %v", page, searches, opened, err)
		}
		way.set(nil)
		if _, err := ask(tenant); err != nil {
			t.Errorf("lost at page %d, and asked again: %v", page, err)
		}
	}
}

// What other processes have acknowledged and not brought is said with every
// answer, and no answer is kept meanwhile.
func TestWhatOthersHold(t *testing.T) {
	cfg, d := config(), deps()
	const held = "collector c-1 holds something"
	d.Missing = func() []string { return []string{held} }
	s, gen := opened(t, cfg, d), storagetest.NewGen(8)
	storagetest.WriteLogs(t, s, "me", gen.Logs(3))
	var logs, streams storage.ReadStats
	if n, err := rows(s.Logs(t.Context(), storage.LogQuery{Tenant: "me", Stats: &logs})); n != 3 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
	if _, err := s.Streams(t.Context(), "me", telemetry.Logs, 0, 0, &streams); err != nil {
		t.Error(err)
	}
	for name, stats := range map[string]storage.ReadStats{"logs": logs, "streams": streams} {
		if !slices.Equal(stats.Warnings, []string{held}) {
			t.Errorf("%s: warnings %q", name, stats.Warnings)
		}
	}
	if v, err := s.LogsVersion(t.Context(), "me", 0, 1<<62); err != nil || v != (storage.Version{}) {
		t.Errorf("version %v, %v: answers would be kept", v, err)
	}
}
