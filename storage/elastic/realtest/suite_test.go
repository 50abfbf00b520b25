package realtest

import (
	"testing"

	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/storage/elastic"
	"github.com/clewhq/clew/storage/storagetest"
)

func TestSuite(t *testing.T) {
	for name, set := range map[string]func(*elastic.Config){
		"write-ahead log":            func(*elastic.Config) {},
		"elasticsearch acknowledges": func(c *elastic.Config) { c.Acknowledge = elastic.AckElasticsearch },
		// Answers may not depend on where pages and requests end.
		"small pages and requests": func(c *elastic.Config) {
			c.PageRows, c.BulkBytes, c.WALFileBytes, c.BulkConcurrency, c.BulkLinger = 150, 50_000, 30_000, 4, model.Duration(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, func(t *testing.T) storage.Store {
				cfg, d := config(), deps()
				set(&cfg)
				lossless(t, cfg, &d)
				return open(t, cfg, d)
			})
		})
	}
}
