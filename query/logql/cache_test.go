package logql_test

import (
	"context"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/query/logql"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// TestCacheEqualsNone asks an engine that keeps answers, and reads in slices,
// the same questions over moving ranges, while records come in late, are
// flushed and merged, and compares with one that does neither.
func TestCacheEqualsNone(t *testing.T) {
	hits, slices := 0, 0
	for seed := range uint64(6) {
		g := generator{rand.New(rand.NewPCG(seed, 9))}
		store := openLocal(t)
		cfg := logql.DefaultConfig()
		cfg.ParallelSlices = 3
		kept := logql.New(cfg, store, nil, nil)
		cfg.CacheBytes, cfg.ParallelSlices = 0, 1
		plain := logql.New(cfg, store, nil, nil)
		queries := []string{
			`sum by (level, detected_level) (count_over_time({app=~"a.*"} | drop __error__ [2s]))`,
			`sum by (app) (bytes_over_time({app=~"a.*"} |~ "e" [3s]))`,
			`count_over_time({app=~"a.*"} | logfmt | drop __error__, __error_details__ [1s])`,
			`absent_over_time({app="a0"} |= "error" [4s])`,
			`avg_over_time({app=~"a.*"} | logfmt | unwrap n | __error__="" [2s]) by (app) > 1`,
			`sum(rate({app=~"a.*"} | detected_level="error" [5s] offset 3s)) / sum(rate({app=~"a.*"}[5s]))`,
			strings.ReplaceAll(g.sample(1), "(0.5, (", "(0.5, "),
		}
		for range 12 {
			switch g.IntN(4) {
			case 0:
				g.fill(t, store)
			case 1:
				if err := store.Flush(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			start := int64(g.IntN(30))
			p := logql.Params{Start: start * 1e9, End: (start + 60 + int64(g.IntN(30))) * 1e9, Step: time.Second}
			for _, query := range queries {
				if strings.Contains(query, "distinct") || strings.Contains(query, "last_over_time") {
					continue // records of one nanosecond come in any order
				}
				h, n := sameAnswer(t, seed, kept, plain, query, p)
				hits, slices = hits+h, slices+n
			}
		}
	}
	if hits < slices/4 || hits == slices {
		t.Errorf("%d of %d slices were known: the test tests little", hits, slices)
	}
}

func sameAnswer(t *testing.T, seed uint64, kept, plain *logql.Engine, query string, p logql.Params) (hits, slices int) {
	t.Helper()
	got, err := kept.Query(context.Background(), "t", query, p)
	want, wantErr := plain.Query(context.Background(), "t", query, p)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("seed %d: %s: got error %v, without the cache %v", seed, query, err, wantErr)
	}
	if err != nil {
		return 0, 0
	}
	if len(got.Series) != len(want.Series) {
		t.Fatalf("seed %d: %s: got %d series, without the cache %d", seed, query, len(got.Series), len(want.Series))
	}
	for i := range got.Series {
		if !equalSeries(got.Series[i], want.Series[i]) {
			t.Fatalf("seed %d: %s: got %v, without the cache %v", seed, query, got.Series[i], want.Series[i])
		}
	}
	return got.Stats.CachedSlices, got.Stats.Slices
}

// countedReads is a store that counts how often it is read.
type countedReads struct {
	storage.Reader
	storage.LogVersioner
	reads int
}

// Logs implements storage.Reader.
func (c *countedReads) Logs(ctx context.Context, q storage.LogQuery) iter.Seq2[[]telemetry.Log, error] {
	c.reads++
	return c.Reader.Logs(ctx, q)
}

// TestCacheReadsOnlyWhatIsNew holds that a repeated question is not read
// again, that the cache stays within its bytes, and that it does not serve
// what depends on the time of day.
func TestCacheReadsOnlyWhatIsNew(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(1, 10))}
	local := openLocal(t)
	for range 10 {
		g.fill(t, local)
	}
	for _, c := range []struct {
		name, query string
		bytes       int64
		reads       int
	}{
		{"kept", `sum(count_over_time({app=~"a.*"} |~ "e" [5s]))`, 1 << 20, 1},
		{"off", `sum(count_over_time({app=~"a.*"} |~ "e" [5s]))`, 0, 3},
		{"too small", `count_over_time({app=~"a.*"} |~ "e" [5s])`, 2000, 3},
		{"time of day", `sum(count_over_time({app=~"a.*"} | line_format "{{ now }}" [5s]))`, 1 << 20, 3},
	} {
		store := &countedReads{Reader: local, LogVersioner: local}
		cfg := logql.DefaultConfig()
		cfg.CacheBytes, cfg.ParallelSlices = c.bytes, 1
		e := logql.New(cfg, store, nil, nil)
		for range 3 {
			if _, err := e.Query(context.Background(), "t", c.query, logql.Params{Start: 0, End: 90e9, Step: time.Second}); err != nil {
				t.Fatal(err)
			}
		}
		if store.reads != c.reads {
			t.Errorf("%s: %d reads, want %d", c.name, store.reads, c.reads)
		}
	}
}
