package local

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/storagetest"
	"github.com/clewhq/clew/telemetry"
)

var metaSeeds = flag.Uint64("meta.seeds", 12, "how many seeds the metamorphic test runs")

// TestMetamorphic does the same to stores of different settings, some of which
// flush, merge, restart or lose the power whenever it suits them. After every
// few operations all of them give the same answers to the same questions.
func TestMetamorphic(t *testing.T) {
	t.Parallel()
	n := *metaSeeds
	if testing.Short() || underRace {
		n /= 4
	}
	for seed := uint64(1); seed <= n && !t.Failed(); seed++ {
		newMetaTest(t, seed).run()
	}
}

// metaStore is one of the stores.
type metaStore struct {
	name string
	cfg  Config
	fs   *vfs.MemFS
	s    *Store
	// unrest is how likely it is that the store does something of its own
	// before an operation.
	unrest float64
	r      *rand.Rand
}

type metaTest struct {
	t      *testing.T
	seed   uint64
	r      *rand.Rand
	gen    *storagetest.Gen
	clock  *testClock
	stores []*metaStore
	logs   []*telemetry.LogBatch
	spans  []*telemetry.SpanBatch
	trace  []string
	empty  int // answers that were
	asked  int
}

func newMetaTest(t *testing.T, seed uint64) *metaTest {
	m := &metaTest{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 11)), gen: storagetest.NewGen(seed), clock: newClock()}
	m.clock.advance(20 * 24 * time.Hour) // days are over, so that they can move
	if seed%3 == 0 {
		m.gen.Spread = int64(time.Hour) // many days
	}
	for i, x := range []struct {
		name   string
		unrest float64
		set    func(*Config)
	}{
		{"all in memory", 0, func(*Config) {}},
		{"flushed at once", 0, func(c *Config) { c.FlushBytes = 1; c.CompactFiles = 1000 }},
		{"a row a block", 0.3, func(c *Config) { c.BlockRows = 1 }},
		{"small blocks, merged", 0.5, func(c *Config) { c.BlockRows, c.CompactFiles = 7, 2 }},
		{"small merges", 0.5, func(c *Config) { c.CompactFiles, c.CompactRows, c.BlockBytes = 2, 60, 500 }},
		{"small log files", 0.5, func(c *Config) { c.WALFileBytes, c.WALGroupBytes, c.FlushBytes = 300, 100, 5000 }},
		{"restless", 1, func(c *Config) { c.BlockRows = 20; c.TidyBytesPerSecond = 0 }},
		{"objects", 0.5, func(c *Config) { c.Objects = directoryConfig() }},
		{"objects, little cache", 0.5, func(c *Config) {
			c.Objects = directoryConfig()
			c.Objects.CacheBytes, c.CompactFiles, c.BlockRows = 4096, 2, 7
		}},
	} {
		s := &metaStore{name: x.name, cfg: testConfig(), fs: vfs.NewCrashableMem(), unrest: x.unrest, r: rand.New(rand.NewPCG(seed, uint64(i)))}
		x.set(&s.cfg)
		m.stores = append(m.stores, s)
		m.open(s)
	}
	return m
}

func (m *metaTest) fatalf(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("seed %d: %s\nsteps: %v", m.seed, fmt.Sprintf(format, args...), m.trace)
}

func (m *metaTest) must(err error) {
	m.t.Helper()
	if err != nil {
		m.fatalf("%v", err)
	}
}

func (m *metaTest) open(s *metaStore) {
	var err error
	s.s, err = Open(s.cfg, Deps{FS: s.fs, Now: m.clock.now, Selectors: testSelectors})
	m.must(err)
}

func (m *metaTest) run() {
	for step := range 25 {
		m.step()
		if step%5 == 4 {
			m.compare()
		}
	}
	if m.empty == m.asked {
		m.fatalf("no question found anything")
	}
	for _, s := range m.stores {
		m.must(s.s.Close())
		if r, err := CheckAll(context.Background(), s.cfg.Dir, s.fs, s.cfg.Objects); err != nil || !r.OK() {
			m.fatalf("%s: check: %v, %v", s.name, err, r.Problems)
		}
	}
}

// step does the same to all stores.
func (m *metaTest) step() {
	ctx := context.Background()
	tenant := []string{tenantA, "b"}[m.r.IntN(2)]
	var what string
	var do func(*Store) error
	switch k := m.r.IntN(12); {
	case k < 4:
		b := m.gen.Logs(1 + m.r.IntN(30))
		m.logs = append(m.logs, b)
		what, do = "logs", func(s *Store) error { _, err := s.WriteLogs(ctx, tenant, b); return err }
	case k < 8:
		b := m.gen.Spans(1 + m.r.IntN(30))
		m.spans = append(m.spans, b)
		what, do = "spans", func(s *Store) error { _, err := s.WriteSpans(ctx, tenant, b); return err }
	case k == 8 && len(m.logs) > 0: // again, or for the other tenant
		b := m.logs[m.r.IntN(len(m.logs))]
		what, do = "again", func(s *Store) error { _, err := s.WriteLogs(ctx, tenant, b); return err }
	case k == 9:
		what, do = "flush", func(s *Store) error { return s.Flush(ctx) }
	case k == 10:
		what, do = "tidy", func(s *Store) error { return s.Tidy(ctx) }
	default:
		d := storage.Deletion{Tenant: tenant, Signal: []telemetry.Signal{telemetry.Logs, telemetry.Traces}[m.r.IntN(2)], Query: fmt.Sprint("service-", m.r.IntN(5))}
		d.From, d.To = m.timeRange()
		what, do = "delete", func(s *Store) error {
			_, err := s.Delete(ctx, d)
			if err == nil {
				err = s.Tidy(ctx)
			}
			return err
		}
	}
	m.trace = append(m.trace, what)
	for _, s := range m.stores {
		if s.r.Float64() < s.unrest {
			m.disturb(s)
		}
		if err := do(s.s); err != nil {
			m.fatalf("%s: %s: %v", s.name, what, err)
		}
	}
}

// disturb is what a store does of its own.
func (m *metaTest) disturb(s *metaStore) {
	switch s.r.IntN(4) {
	case 0:
		m.must(s.s.Flush(context.Background()))
	case 1:
		m.must(s.s.Tidy(context.Background()))
	case 2:
		m.must(s.s.Close())
		m.open(s)
	default:
		crashed := powerCut(m.t, s.fs, s.r.IntN(101), s.r)
		m.must(s.s.Close())
		s.fs = crashed
		m.open(s)
	}
}

// timeRange returns a part of the time so far, or all of it.
func (m *metaTest) timeRange() (from, to int64) {
	if m.r.IntN(3) == 0 {
		return 0, 0
	}
	end := (int64(len(m.logs)+len(m.spans))*16 + 1) * m.gen.Spread
	from = storagetest.Base + m.r.Int64N(end)
	return from, from + 1 + m.r.Int64N(end)
}

// compare asks all stores the same questions.
func (m *metaTest) compare() {
	for range 12 {
		what, ask := m.question()
		want := ask(m.stores[0].s)
		if m.asked++; want == "" {
			m.empty++
		}
		for _, s := range m.stores[1:] {
			if got := ask(s.s); got != want {
				m.fatalf("%s: %s answers\n%s\nand %s\n%s", what, s.name, got, m.stores[0].name, want)
			}
		}
	}
}

// question makes up a question, and how to ask it for a text of the answer.
func (m *metaTest) question() (string, func(*Store) string) {
	tenant := []string{tenantA, "b"}[m.r.IntN(2)]
	from, to := m.timeRange()
	var stream func(*telemetry.Stream) bool
	if m.r.IntN(3) == 0 {
		service := fmt.Sprint("service-", m.r.IntN(5))
		stream = func(s *telemetry.Stream) bool { return s.Service == service }
	}
	var ids []string
	if m.r.IntN(3) == 0 {
		ids = m.someIDs()
	}
	switch m.r.IntN(5) {
	case 0, 1:
		q := storage.LogQuery{Tenant: tenant, From: from, To: to, Stream: stream, IDs: ids, Order: storage.Order(m.r.IntN(3))}
		limit := 1 + m.r.IntN(200)
		if q.Order == storage.OrderAny {
			limit = 1 << 30
		}
		return fmt.Sprintf("%+v limit %d", q, limit), func(s *Store) string { return m.logAnswer(s, q, limit) }
	case 2, 3:
		q := storage.SpanQuery{Tenant: tenant, From: from, To: to, Stream: stream, IDs: ids}
		if m.r.IntN(3) == 0 {
			q.MinDuration = time.Duration(m.r.Int64N(2e9))
		}
		if m.r.IntN(3) == 0 && len(m.spans) > 0 {
			b := m.spans[m.r.IntN(len(m.spans))]
			q.TraceIDs = []telemetry.TraceID{b.Spans[0].TraceID, b.Spans[len(b.Spans)-1].TraceID}
		}
		return fmt.Sprintf("%+v", q), func(s *Store) string { return m.spanAnswer(s, q) }
	}
	return "tenants and streams of all time", func(s *Store) string { return m.streamAnswer(s, tenant) }
}

func (m *metaTest) someIDs() []string {
	if m.r.IntN(2) == 0 && len(m.spans) > 0 {
		b := m.spans[m.r.IntN(len(m.spans))]
		return []string{b.Spans[m.r.IntN(len(b.Spans))].TraceID.String()}
	}
	if len(m.logs) == 0 {
		return []string{"none"}
	}
	b := m.logs[m.r.IntN(len(m.logs))]
	l := &b.Logs[m.r.IntN(len(b.Logs))]
	if words := strings.Fields(l.Body.Text()); len(words) > 1 && words[0] == "request" {
		return []string{words[1]}
	}
	return []string{l.TraceID.String()}
}

func (m *metaTest) logAnswer(s *Store, q storage.LogQuery, limit int) string {
	var stats storage.ReadStats
	q.Stats = &stats
	var rows []string
	for batch, err := range s.Logs(context.Background(), q) {
		m.must(err)
		for i := range batch {
			rows = append(rows, fmt.Sprintf("%d %s %s", batch[i].Time, batch[i].Stream.Service, batch[i].Body.Text()))
		}
		if len(rows) >= limit {
			rows = rows[:limit]
			break
		}
	}
	if len(stats.Warnings) > 0 {
		m.fatalf("warnings %v", stats.Warnings)
	}
	if q.Order == storage.OrderAny {
		slices.Sort(rows)
	}
	return strings.Join(rows, "\n")
}

func (m *metaTest) spanAnswer(s *Store, q storage.SpanQuery) string {
	var rows []string
	for batch, err := range s.Spans(context.Background(), q) {
		m.must(err)
		for i := range batch {
			rows = append(rows, fmt.Sprintf("%d %s %s %s %d %d", batch[i].Start, batch[i].SpanID, batch[i].Name, batch[i].Stream.Service, batch[i].End, len(batch[i].Events)))
		}
	}
	slices.Sort(rows)
	return strings.Join(rows, "\n")
}

// streamAnswer is what does not depend on where the records are.
func (m *metaTest) streamAnswer(s *Store, tenant string) string {
	var b strings.Builder
	for _, sig := range []telemetry.Signal{telemetry.Logs, telemetry.Traces} {
		list, err := s.Streams(context.Background(), tenant, sig, 0, 0, nil)
		m.must(err)
		for _, st := range list {
			fmt.Fprintf(&b, "%s %x %d %d to %d\n", sig, st.Stream.ID, st.Records, st.First, st.Last)
		}
	}
	return b.String()
}
