package realtest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

// sender sends a tenant's logs, as often as it takes.
type sender struct {
	t      *testing.T
	tenant string
	stream string // the end of its data streams' names
	gen    *storagetest.Gen
	acked  []telemetry.Log
	bytes  int64
}

func newSender(t *testing.T, tenant string, seed uint64) *sender {
	return &sender{t: t, tenant: tenant, stream: strings.ReplaceAll(tenant, "B", ".b"), gen: storagetest.NewGen(seed)}
}

// send sends one request until it is taken, or refused for the tenant itself.
func (x *sender) send(s *elastic.Store) error {
	x.t.Helper()
	b := x.gen.Logs(40)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		_, err := s.WriteLogs(x.t.Context(), x.tenant, b)
		if err == nil {
			x.acked = append(x.acked, b.Logs...)
			x.bytes += int64(len(b.Raw))
			return nil
		}
		if errors.Is(err, storage.ErrStuck) {
			return err
		}
		if !errors.Is(err, storage.ErrOverloaded) || time.Now().After(deadline) {
			x.t.Fatalf("tenant %s: %v", x.tenant, err)
		}
	}
}

// must sends a request that has to be taken.
func (x *sender) must(s *elastic.Store) {
	x.t.Helper()
	if err := x.send(s); err != nil {
		x.t.Fatal(err)
	}
}

// stuck sends until it is told why nothing is taken.
func (x *sender) stuck(s *elastic.Store) error {
	x.t.Helper()
	var err error
	until(x.t, "a refusal for tenant "+x.tenant, func() bool {
		err = x.send(s)
		return err != nil
	})
	return err
}

// answer is what a query finds, and what it says is missing.
func (x *sender) answer(s *elastic.Store) ([]telemetry.Log, string) {
	x.t.Helper()
	var out []telemetry.Log
	var stats storage.ReadStats
	for batch, err := range s.Logs(x.t.Context(), storage.LogQuery{Tenant: x.tenant, Stats: &stats}) {
		if err != nil {
			x.t.Fatal(err)
		}
		out = append(out, batch...)
	}
	return out, strings.Join(stats.Warnings, "; ")
}

// whole demands an answer with all that was acknowledged that says nothing is
// missing, at once.
func (x *sender) whole(s *elastic.Store) {
	x.t.Helper()
	if d := storagetest.DiffLogs(storagetest.Logs(x.t, s, storage.LogQuery{Tenant: x.tenant}), x.acked); d != "" {
		x.t.Errorf("tenant %s: %s", x.tenant, d)
	}
}

// once waits until all that was acknowledged is there, and demands that it is
// there once.
func (x *sender) once(s *elastic.Store, dataset string) {
	x.t.Helper()
	until(x.t, "a whole answer of tenant "+x.tenant, func() bool {
		_, missing := x.answer(s)
		return missing == ""
	})
	x.whole(s)
	if got := count(x.t, "logs-"+dataset+"-"+x.stream); got != len(x.acked) {
		x.t.Errorf("tenant %s: %d documents, want %d", x.tenant, got, len(x.acked))
	}
}

func has(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s says %q, want it to say %q", what, text, p)
		}
	}
}

// TestOneTenantIsStuck blocks the index of a tenant by hand. Its requests are
// taken up to its share, and then refused with the remedy; those of others, and
// its own spans, go on as if nothing were, also after the process was killed,
// and past wal_bytes. Once the block is gone every record is there once.
func TestOneTenantIsStuck(t *testing.T) {
	t.Parallel()
	for _, kill := range []bool{false, true} {
		t.Run(map[bool]string{false: "unblocked", true: "killed between"}[kill], func(t *testing.T) {
			t.Parallel()
			cfg, d := config(), deps()
			quick(&cfg)
			cfg.ParkAfter, cfg.WALBytes, cfg.WALFileBytes = model.Duration(200*time.Millisecond), 200_000, 30_000
			mem := vfs.NewCrashableMem()
			d.FS = mem
			if err := errors.Join(mem.MkdirAll(cfg.Dir, 0o755)); err != nil {
				t.Fatal(err)
			}
			lossless(t, cfg, &d)
			s := open(t, cfg, d)
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			bad, good := newSender(t, "Bad", 21), newSender(t, "good", 22)
			bad.must(s)
			bad.must(s)
			bad.whole(s)
			before := len(bad.acked)
			call(t, "POST", "/logs-"+cfg.Dataset+"-.bad/_rollover", "") // what comes again has to be looked for
			block := func(on string) {
				call(t, "PUT", "/logs-"+cfg.Dataset+"-.bad/_settings", `{"index.blocks.write":`+on+`}`)
			}
			block("true")
			remedy := []string{"tenant Bad", "logs-" + cfg.Dataset + "-.bad", "remove its index.blocks settings"}
			has(t, "the refusal", bad.stuck(s).Error(), append(remedy, "parked_share")...)
			others := func() {
				t.Helper()
				for sent := good.bytes; good.bytes < sent+cfg.WALBytes; {
					good.must(s)
				}
				good.whole(s)
				spans := good.gen.Spans(10)
				storagetest.WriteSpans(t, s, "Bad", spans)
				if got := storagetest.Spans(t, s, storage.SpanQuery{Tenant: "Bad"}); len(got) < 10 {
					t.Errorf("%d spans of the tenant whose logs are stuck", len(got))
				}
			}
			others()
			got, missing := bad.answer(s)
			if len(got) != before {
				t.Errorf("%d records of the stuck tenant, want %d", len(got), before)
			}
			has(t, "an answer", missing, append(remedy[1:], "parked", "missing")...)
			r := s.Remote()
			has(t, "health", r.Stuck, remedy...)
			if h := s.Health(); !h.Writable || r.Breaker != "closed" || r.LastError != r.Stuck || r.PendingBytes == 0 || r.PendingBytes > 2*cfg.WALBytes {
				t.Errorf("health %+v, %+v", h, r)
			}
			if kill {
				crashed := mem.CrashClone(vfs.CrashCloneCfg{})
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				d.FS = crashed
				d.Registerer = nil
				s = open(t, cfg, d)
				has(t, "health after a restart", s.Remote().Stuck, "tenant Bad")
				others()
				has(t, "the refusal after a restart", bad.stuck(s).Error(), remedy...)
			}
			block("null")
			bad.once(s, cfg.Dataset)
			good.once(s, cfg.Dataset)
			until(t, "health to be well", func() bool { return s.Remote().LastError == "" && s.Remote().PendingBytes == 0 })
			bad.must(s)
			bad.whole(s)
			if names, err := d.FS.List(d.FS.PathJoin(cfg.Dir, "parked")); err != nil || len(names) > 0 {
				t.Errorf("what is left of what was parked: %v, %v", names, err)
			}
		})
	}
}

// TestDeletionsBesideAStuckTenant: a deletion of another tenant's records does
// not wait for what is parked; one of the stuck tenant's does, and removes it.
func TestDeletionsBesideAStuckTenant(t *testing.T) {
	t.Parallel()
	x := newDeletions(t, 23)
	x.cfg.ParkAfter = model.Duration(100 * time.Millisecond)
	s := opened(t, x.cfg, x.d)
	bad := newSender(t, "bad", 24)
	bad.must(s)
	bad.whole(s)
	index := "/logs-" + x.cfg.Dataset + "-bad"
	call(t, "PUT", index+"/_settings", `{"index.blocks.write":true}`)
	const mine = "belongs to somebody"
	b := storagetest.LogBatch([]telemetry.Log{{Stream: bad.acked[0].Stream, Time: bad.acked[0].Time, Body: telemetry.String(mine)}})
	storagetest.WriteLogs(t, s, "bad", b)
	until(t, "the tenant to be stuck", func() bool { return s.Remote().Stuck != "" })
	x.write(s)
	waits, err := s.Delete(t.Context(), storage.Deletion{Tenant: "bad", Signal: telemetry.Logs, Query: mine})
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Delete(t.Context(), storage.Deletion{Tenant: "me", Signal: telemetry.Logs, Query: "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	x.done(s, other.ID)
	list, err := s.Deletions(t.Context(), "bad")
	if err != nil || len(list) != 1 || list[0].Done != 0 {
		t.Errorf("%+v, %v: want the deletion to wait", list, err)
	}
	call(t, "PUT", index+"/_settings", `{"index.blocks.write":null}`)
	until(t, "the deletion of what was parked", func() bool {
		list, err := s.Deletions(t.Context(), "bad")
		return err == nil && len(list) == 1 && list[0].ID == waits.ID && list[0].Done != 0
	})
	bad.whole(s) // without the record that was parked
}

// unplaced has no node take the shards of indices that are made from now on,
// until the function that it returns is called for the data stream of a tenant.
func unplaced(t *testing.T, cfg elastic.Config) (place func(tenant string)) {
	t.Helper()
	path := "/_index_template/clew-logs-" + cfg.Dataset
	was := call(t, "GET", path+"?filter_path=index_templates.index_template", "")
	body, ok := strings.CutPrefix(was, `{"index_templates":[{"index_template":`)
	if !ok {
		t.Fatal(was)
	}
	body = strings.TrimSuffix(body, "}]}")
	nowhere := strings.Replace(body, `"settings":{"index":{`, `"settings":{"index":{"routing":{"allocation":{"require":{"_name":"nowhere"}}},`, 1)
	if said := call(t, "PUT", path, nowhere); nowhere == body || !strings.Contains(said, "true") {
		t.Fatal(said, nowhere)
	}
	return func(tenant string) {
		t.Helper()
		call(t, "PUT", path, body)
		if said := call(t, "PUT", "/logs-"+cfg.Dataset+"-"+tenant+"/_settings", `{"index.routing.allocation.require._name":null}`); !strings.Contains(said, "true") {
			t.Error(said)
		}
	}
}

// TestNoNodeTakesANewIndex: the first write of a tenant makes an index whose
// shard no node takes. With one place among the bulk requests others go on all
// the same, and the tenant is told what it is about, or waits.
func TestNoNodeTakesANewIndex(t *testing.T) {
	t.Parallel()
	for _, ack := range []string{elastic.AckWAL, elastic.AckElasticsearch} {
		t.Run(ack, func(t *testing.T) {
			t.Parallel()
			cfg := config()
			quick(&cfg)
			cfg.Acknowledge, cfg.BulkConcurrency, cfg.ParkAfter = ack, 1, model.Duration(300*time.Millisecond)
			cfg.ShardWait = model.Duration(time.Second)
			s := opened(t, cfg, deps())
			fresh, good := newSender(t, "fresh", 25), newSender(t, "good", 26)
			good.must(s)
			good.whole(s)
			place := unplaced(t, cfg)
			began := time.Now()
			if ack == elastic.AckWAL {
				fresh.must(s)
				until(t, "the tenant to be stuck", func() bool { return strings.Contains(s.Remote().Stuck, "tenant fresh") })
				has(t, "health", s.Remote().Stuck, "start the nodes that are missing")
			} else {
				err := fresh.stuck(s)
				has(t, "the refusal", err.Error(), "tenant fresh", "start the nodes that are missing")
				if n := len(fresh.acked); n != 0 {
					t.Errorf("%d records were acknowledged, which are nowhere", n)
				}
			}
			t.Logf("stuck after %s", time.Since(began).Round(time.Millisecond))
			for range 5 {
				good.must(s)
				good.whole(s)
			}
			place("fresh")
			until(t, "the tenant to be taken again", func() bool { return fresh.send(s) == nil })
			until(t, "nobody to be stuck", func() bool { return s.Remote().Stuck == "" })
			fresh.once(s, cfg.Dataset)
			good.once(s, cfg.Dataset)
		})
	}
}

// TestALostShardAfterARestart: after a restart what was sent is looked for
// before it is sent again. Where a tenant's older index has lost its shard that
// cannot be told, of this tenant.
func TestALostShardAfterARestart(t *testing.T) {
	t.Parallel()
	way := &faulty{}
	cfg := config()
	quick(&cfg)
	cfg.ParkAfter, cfg.ReadWait, cfg.Startup = model.Duration(200*time.Millisecond), model.Duration(time.Second), elastic.StartupWait
	d := elastic.Deps{FS: vfs.NewMem(), Transport: way}
	s := open(t, cfg, d)
	lost, good := newSender(t, "lost", 27), newSender(t, "good", 28)
	for range 2 {
		lost.must(s)
		good.must(s)
		lost.once(s, cfg.Dataset)
		good.once(s, cfg.Dataset)
	}
	gone := len(lost.acked)
	old := strings.Split(call(t, "GET", "/_data_stream/logs-"+cfg.Dataset+"-lost?filter_path=data_streams.indices.index_name", ""), `"`)[7]
	for _, tenant := range []string{"lost", "good"} {
		call(t, "POST", "/logs-"+cfg.Dataset+"-"+tenant+"/_rollover", "")
	}
	// What follows is written, and nobody hears of it.
	way.set(func(r *http.Request) (*http.Response, bool, error) {
		return nil, r.URL.Path == "/_bulk", io.ErrUnexpectedEOF
	})
	lost.must(s)
	good.must(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if said := call(t, "POST", "/"+old+"/_close", ""); !strings.Contains(said, `"acknowledged":true`) {
		t.Fatal(said)
	}
	if err := node.LoseShards(strings.Split(call(t, "GET", "/"+old+"/_settings?filter_path=*.settings.index.uuid", ""), `"`)[9]); err != nil {
		t.Fatal(err)
	}
	if said := call(t, "POST", "/"+old+"/_open?wait_for_active_shards=0", ""); !strings.Contains(said, `"acknowledged":true`) {
		t.Fatal(said)
	}
	way.set(nil)
	s = opened(t, cfg, d)
	until(t, "the other tenant's whole answer", func() bool {
		_, missing := good.answer(s)
		return missing == ""
	})
	good.once(s, cfg.Dataset)
	until(t, "the tenant to be stuck", func() bool { return s.Remote().Stuck != "" })
	has(t, "health", s.Remote().Stuck, "tenant lost", "delete their index")
	good.must(s)
	good.whole(s)
	// As the remedy says. What was in it is gone with its shard.
	call(t, "DELETE", "/"+old, "")
	lost.acked = lost.acked[gone:]
	lost.once(s, cfg.Dataset)
}

// held keeps requests that it is told to keep, until they are let go.
type held struct {
	now  atomic.Int64 // under way and kept
	most atomic.Int64
	free chan struct{}
	once sync.Once
}

func hold(way *faulty, which func(*http.Request) bool) *held {
	h := &held{free: make(chan struct{})}
	way.set(func(r *http.Request) (*http.Response, bool, error) {
		if !which(r) {
			return nil, false, nil
		}
		n := h.now.Add(1)
		for old := h.most.Load(); n > old && !h.most.CompareAndSwap(old, n); old = h.most.Load() {
		}
		defer h.now.Add(-1)
		select {
		case <-h.free:
			return nil, false, nil
		case <-r.Context().Done():
			return nil, false, r.Context().Err()
		}
	})
	return h
}

func (h *held) release() { h.once.Do(func() { close(h.free) }) }

// TestIngestionAndQueriesHavePlacesOfTheirOwn: with every place among the bulk
// requests held, queries are answered; with every place of the queries held,
// what is acknowledged is drained.
func TestIngestionAndQueriesHavePlacesOfTheirOwn(t *testing.T) {
	t.Parallel()
	way := &faulty{}
	cfg, d := config(), deps()
	quick(&cfg)
	cfg.RequestTimeout, cfg.ReadWait = model.Duration(10*time.Minute), model.Duration(50*time.Millisecond)
	cfg.QueryWait, cfg.BulkConcurrency, cfg.QueryConcurrency = model.Duration(10*time.Minute), 2, 2
	d.Transport = way
	s := opened(t, cfg, d)
	quiet, busy := newSender(t, "quiet", 29), newSender(t, "busy", 30)
	quiet.must(s)
	busy.must(s)
	quiet.once(s, cfg.Dataset)
	busy.once(s, cfg.Dataset)
	stored := len(busy.acked)

	bulk := hold(way, func(r *http.Request) bool { return r.URL.Path == "/_bulk" })
	defer bulk.release()
	until(t, "every place of bulk requests to be held", func() bool {
		busy.must(s)
		return bulk.now.Load() == 2
	})
	var asking sync.WaitGroup
	for range 3 * cfg.QueryConcurrency {
		asking.Go(func() { quiet.whole(s) })
		asking.Go(func() {
			if got, missing := busy.answer(s); len(got) != stored || !strings.Contains(missing, "not in Elasticsearch yet") {
				t.Errorf("%d records, %q: want %d and what is missing", len(got), missing, stored)
			}
		})
	}
	asking.Wait()
	if now, most := bulk.now.Load(), bulk.most.Load(); now != 2 || most != 2 {
		t.Errorf("%d bulk requests are held, %d at most, want 2", now, most)
	}
	bulk.release()
	busy.once(s, cfg.Dataset)

	reads := hold(way, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_search") })
	defer reads.release()
	for range 3 * cfg.QueryConcurrency {
		asking.Go(func() { _, _ = quiet.answer(s) })
	}
	until(t, "every place of queries to be held", func() bool { return reads.now.Load() == 2 })
	for range 5 {
		busy.must(s)
	}
	until(t, "what was acknowledged to be drained", func() bool { return s.Remote().PendingBytes == 0 })
	if got := count(t, "logs-"+cfg.Dataset+"-busy"); got != len(busy.acked) {
		t.Errorf("%d documents, want %d", got, len(busy.acked))
	}
	if now, most := reads.now.Load(), reads.most.Load(); now != 2 || most != 2 {
		t.Errorf("%d queries are held, %d at most, want 2", now, most)
	}
	reads.release()
	asking.Wait()
	way.set(nil)
	quiet.whole(s)
}
