package realtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// secret stands in the records that are to be deleted.
const secret = "alice.zq81@example.com"

// selectors is the language of these tests: a query is a text that stands in
// the body or the name.
var selectors = storage.Selectors{
	Logs: func(q string) (storage.LogSelection, error) {
		if q == "nonsense" {
			return storage.LogSelection{}, errors.New("no query")
		}
		return storage.LogSelection{Query: storage.LogQuery{Text: []string{q}}, Match: func(l *telemetry.Log) bool { return strings.Contains(l.Body.Text(), q) }}, nil
	},
	Spans: func(q string) (storage.SpanSelection, error) {
		return storage.SpanSelection{Match: func(s *telemetry.Span) bool { return strings.Contains(s.Name, q) }}, nil
	},
}

// deletions is a store with somebody's records among others.
type deletions struct {
	t     *testing.T
	cfg   elastic.Config
	d     elastic.Deps
	gen   *storagetest.Gen
	logs  []telemetry.Log // that stay
	spans []telemetry.Span
	gone  int64 // logs with the secret
}

func newDeletions(t *testing.T, seed uint64) *deletions {
	cfg, d := config(), deps()
	quick(&cfg)
	cfg.DeletionEvery = model.Duration(20 * time.Millisecond)
	d.Selectors = selectors
	return &deletions{t: t, cfg: cfg, d: d, gen: storagetest.NewGen(seed)}
}

// write writes some records of which every seventh has the secret.
func (x *deletions) write(s *elastic.Store) {
	x.t.Helper()
	logs, spans := x.gen.Logs(40), x.gen.Spans(20)
	for i := range logs.Logs {
		if i%7 == 0 {
			logs.Logs[i].Body = telemetry.String("login of " + secret + " from 10.0.0.1")
		}
	}
	for i := range spans.Spans {
		if i%7 == 0 {
			spans.Spans[i].Name = "GET /users/" + secret
		}
	}
	lb, sb := storagetest.LogBatch(logs.Logs), storagetest.SpanBatch(spans.Spans)
	storagetest.WriteLogs(x.t, s, "me", lb)
	storagetest.WriteSpans(x.t, s, "me", sb)
	for _, l := range lb.Logs {
		if strings.Contains(l.Body.Text(), secret) {
			x.gone++
		} else {
			x.logs = append(x.logs, l)
		}
	}
	x.spans = append(x.spans, slices.DeleteFunc(sb.Spans, func(s telemetry.Span) bool { return strings.Contains(s.Name, secret) })...)
}

// done waits for a deletion, and returns it.
func (x *deletions) done(s *elastic.Store, id string) (out storage.Deletion) {
	x.t.Helper()
	until(x.t, "the deletion to be done", func() bool {
		list, err := s.Deletions(context.Background(), "me")
		if err != nil {
			return false
		}
		i := slices.IndexFunc(list, func(d storage.Deletion) bool { return d.ID == id })
		if i < 0 {
			return false
		}
		out = list[i]
		return out.Done != 0
	})
	return out
}

func (x *deletions) check(s *elastic.Store) {
	x.t.Helper()
	if d := storagetest.DiffLogs(storagetest.Logs(x.t, s, storage.LogQuery{Tenant: "me"}), x.logs); d != "" {
		x.t.Error(d)
	}
	if d := storagetest.DiffSpans(storagetest.Spans(x.t, s, storage.SpanQuery{Tenant: "me"}), x.spans); d != "" {
		x.t.Error(d)
	}
	if left := call(x.t, "GET", "/logs-"+x.cfg.Dataset+"-me/_stats/docs?filter_path=_all.total.docs.deleted", ""); !strings.Contains(left, `"deleted":0`) {
		x.t.Errorf("deleted documents are left in Elasticsearch's files: %s", left)
	}
}

func (x *deletions) ask(s *elastic.Store, sig telemetry.Signal) storage.Deletion {
	x.t.Helper()
	d, err := s.Delete(context.Background(), storage.Deletion{Tenant: "me", Signal: sig, Query: secret})
	if err != nil {
		x.t.Fatal(err)
	}
	if d.ID == "" || d.Created == 0 || d.Done != 0 {
		x.t.Errorf("the deletion that was taken in: %+v", d)
	}
	return d
}

// TestDeletion deletes what is indexed and what still waits in the write-ahead
// log, and nothing that comes afterwards.
func TestDeletion(t *testing.T) {
	t.Parallel()
	x := newDeletions(t, 61)
	f := &faulty{}
	x.d.Transport = f
	s := opened(t, x.cfg, x.d)
	x.write(s)
	storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"})
	call(t, "POST", "/logs-"+x.cfg.Dataset+"-me/_rollover", "")
	// From here on records wait in the log, until the deletion is asked for.
	f.set(func(r *http.Request) (*http.Response, bool, error) {
		if r.URL.Path == "/_bulk" {
			return nil, false, io.ErrUnexpectedEOF
		}
		return nil, false, nil
	})
	x.write(s)
	logs, spans := x.ask(s, telemetry.Logs), x.ask(s, telemetry.Traces)
	f.set(nil)
	d := x.done(s, logs.ID)
	if d.Records != x.gone || d.Query != "" || d.Err != "" {
		t.Errorf("of %d records: %+v", x.gone, d)
	}
	x.done(s, spans.ID)
	x.check(s)
	later := storagetest.LogBatch([]telemetry.Log{{Stream: x.logs[0].Stream, Time: storagetest.Base, Body: telemetry.String(secret + " again")}})
	storagetest.WriteLogs(t, s, "me", later)
	x.logs = append(x.logs, later.Logs...)
	x.check(s)
	if err := s.CancelDeletion(context.Background(), "me", logs.ID); !errors.Is(err, storage.ErrNoDeletion) {
		t.Errorf("one that is done was canceled: %v", err)
	}
}

// TestDeletionWaitsForOtherCollectors: what another process has acknowledged
// and not drained must not come back after the deletion is done.
func TestDeletionWaitsForOtherCollectors(t *testing.T) {
	t.Parallel()
	x := newDeletions(t, 62)
	s := opened(t, x.cfg, x.d)
	f := &faulty{}
	other := x.d
	other.FS, other.Transport = deps().FS, f
	away, err := elastic.Open(context.Background(), x.cfg, other)
	if err != nil {
		t.Fatal(err)
	}
	x.write(s)
	x.write(away)
	storagetest.Logs(t, away, storage.LogQuery{Tenant: "me"})
	f.set(func(*http.Request) (*http.Response, bool, error) { return nil, false, io.ErrUnexpectedEOF })
	x.write(away) // waits there
	d := x.ask(s, telemetry.Logs)
	until(t, "what is there to be deleted", func() bool {
		list, err := s.Deletions(context.Background(), "me")
		return err == nil && strings.Contains(list[0].Err, "write-ahead log of")
	})
	if err := away.Close(); err != nil { // as it dies: its log stays
		t.Fatal(err)
	}
	list, err := s.Deletions(context.Background(), "me")
	if err != nil || list[0].Done != 0 {
		t.Fatalf("the deletion is done before all have passed it: %+v, %v", list, err)
	}
	f.set(nil)
	back := opened(t, x.cfg, other)
	if d := x.done(s, d.ID); d.Records != x.gone {
		t.Errorf("of %d records: %+v", x.gone, d)
	}
	x.done(s, x.ask(back, telemetry.Traces).ID)
	x.check(s)
}

// TestDeletionGoesOnAfterACrash: whoever comes next carries it out.
func TestDeletionGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	x := newDeletions(t, 63)
	x.cfg.BulkBytes = 30_000
	f := &faulty{}
	x.d.Transport = f
	s := open(t, x.cfg, x.d)
	x.write(s)
	storagetest.Logs(t, s, storage.LogQuery{Tenant: "me"})
	struck := make(chan struct{}, 100)
	f.set(func(r *http.Request) (*http.Response, bool, error) {
		if r.URL.Path != "/_bulk" {
			return nil, false, nil
		}
		select {
		case struck <- struct{}{}:
		default:
		}
		return nil, true, io.ErrUnexpectedEOF // deleted, and nobody knows
	})
	logs := x.ask(s, telemetry.Logs)
	<-struck
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f.set(nil)
	s = opened(t, x.cfg, x.d)
	x.done(s, logs.ID)
	x.done(s, x.ask(s, telemetry.Traces).ID)
	x.check(s)
}

// TestDeletionsThatAreRefused and those that are canceled.
func TestDeletionsThatAreRefused(t *testing.T) {
	t.Parallel()
	x := newDeletions(t, 64)
	x.cfg.DeletionDelay = model.Duration(time.Hour)
	s := opened(t, x.cfg, x.d)
	x.write(s)
	for name, d := range map[string]storage.Deletion{
		"no query":       {Tenant: "me", Signal: telemetry.Logs},
		"a wrong query":  {Tenant: "me", Signal: telemetry.Logs, Query: "nonsense"},
		"an empty range": {Tenant: "me", Signal: telemetry.Logs, Query: "x", From: 5, To: 5},
		"metrics":        {Tenant: "me", Signal: telemetry.Metrics, Query: "x"},
		"a wrong tenant": {Tenant: "a/b", Signal: telemetry.Logs, Query: "x"},
	} {
		if _, err := s.Delete(context.Background(), d); !errors.Is(err, storage.ErrBadDeletion) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := x.ask(s, telemetry.Logs)
	if err := s.CancelDeletion(context.Background(), "another", d.ID); !errors.Is(err, storage.ErrNoDeletion) {
		t.Errorf("another tenant canceled it: %v", err)
	}
	if err := s.CancelDeletion(context.Background(), "me", d.ID); err != nil {
		t.Error(err)
	}
	if list, err := s.Deletions(context.Background(), "me"); err != nil || len(list) != 0 {
		t.Errorf("after it was canceled: %+v, %v", list, err)
	}
}
