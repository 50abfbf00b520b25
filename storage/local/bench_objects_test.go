package local

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/local/object/s3test"
	"github.com/clewhq/clew/telemetry"
)

// objectsDelay is how long the server of BenchmarkObjects takes before it
// answers: about what a bucket in the same region does.
const objectsDelay = 20 * time.Millisecond

// BenchmarkObjects asks the same of segments that are files, of objects that
// were read before, and of objects of which only the indexes are here.
func BenchmarkObjects(b *testing.B) {
	s3 := s3test.New(b)
	cfg := benchConfig(b)
	batches, ids := benchLogs(400, benchBatch)
	open := func(objects bool) *Store {
		if objects {
			cfg.Objects = s3.Config()
			cfg.Objects.MoveAfter = 0
		}
		s, err := Open(cfg, Deps{FS: vfs.Default})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	s := open(false)
	for _, batch := range batches {
		if _, err := s.WriteLogs(context.Background(), tenantA, batch); err != nil {
			b.Fatal(err)
		}
	}
	settle := func(s *Store) {
		if err := s.Flush(context.Background()); err != nil {
			b.Fatal(err)
		}
		if err := s.Tidy(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	settle(s)
	b.Run("local", func(b *testing.B) { benchQuestions(b, s, ids, func() {}) })
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	s = open(true)
	defer func() { _ = s.Close() }()
	settle(s)
	s3.SetFault(func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(objectsDelay)
		return false
	})
	b.Run("warm", func(b *testing.B) { benchQuestions(b, s, ids, func() {}) })
	b.Run("cold", func(b *testing.B) {
		benchQuestions(b, s, ids, func() {
			for _, m := range s.manifest.State().Segments {
				s.objects.depot.Cool(m.Object, m.Bytes)
			}
		})
	})
}

func benchQuestions(b *testing.B, s *Store, ids []string, before func()) {
	for name, q := range map[string]storage.LogQuery{
		"ID":         {IDs: ids[:1]},
		"last 1000":  {},
		"everything": {Order: storage.OrderAny, Columns: storage.ColBody},
	} {
		q.Tenant = tenantA
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				before()
				b.StartTimer()
				benchRead(b, s, q, name == "last 1000")
			}
		})
	}
	b.Run("count", func(b *testing.B) {
		q := storage.LogQuery{Tenant: tenantA}
		for b.Loop() {
			b.StopTimer()
			before()
			b.StartTimer()
			n := int64(0)
			if err := s.CountLogs(context.Background(), q, int64(time.Second), func(_ *telemetry.Stream, _ int, k int64) { n += k }); err != nil || n == 0 {
				b.Fatal(n, err)
			}
		}
	})
}

func benchRead(b *testing.B, s *Store, q storage.LogQuery, limited bool) {
	n := 0
	for batch, err := range s.Logs(context.Background(), q) {
		if err != nil {
			b.Fatal(err)
		}
		if n += len(batch); limited && n >= 1000 {
			break
		}
	}
	if n == 0 {
		b.Fatal("nothing found")
	}
}
