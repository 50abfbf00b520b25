package callkeep

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/valyala/fastjson"
	"github.com/zeebo/xxh3"

	"github.com/clewhq/clew/internal/lru"
	"github.com/clewhq/clew/storage/elastic/callsums"
	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/storage/elastic/search"
)

// Key names the sums of an hour of a tenant, of spans paired within Around, and
// the version of the spans.
type Key struct {
	Tenant  string
	Hour    int64 // since 1970
	Around  time.Duration
	Version string
}

// place is where they are kept, whatever their version.
func (k Key) place() string {
	return fmt.Sprintf("%d %s %d", k.Hour, k.Around, callsums.Format) + " " + k.Tenant
}

// id is the document's.
func (k Key) id() string {
	h := xxh3.HashString128(k.place()).Bytes()
	return hex.EncodeToString(h[:])
}

// Shelf keeps sums. It is safe for concurrent use.
type Shelf struct {
	es     *cluster.Client
	index  string
	memory *lru.Cache[entry]
	oldest atomic.Int64 // hour before which the index has nothing any more
}

type entry struct {
	version string
	part    *callsums.Part
}

// serves reports whether e is what is asked for.
func (e entry) serves(k Key, samples int) bool {
	return e.part != nil && e.version == k.Version && e.part.Samples >= samples
}

// document is what stands in the index.
type document struct {
	Tenant  string `json:"tenant"`
	Hour    int64  `json:"hour"`
	Version string `json:"version"`
	Samples int    `json:"samples"`
	Sums    []byte `json:"sums"` // as base64
}

// New returns a shelf that keeps so many bytes in memory.
func New(es *cluster.Client, index string, bytes int64) *Shelf {
	return &Shelf{es: es, index: index, memory: lru.New[entry](bytes)}
}

// fetchAtOnce is how many documents come with one answer.
const fetchAtOnce = 24

// Get returns what is kept under keys, with so many samples, by the hour.
func (s *Shelf) Get(ctx context.Context, keys []Key, samples int) (map[int64]*callsums.Part, error) {
	out := map[int64]*callsums.Part{}
	var missing []Key
	for _, k := range keys {
		if e, _ := s.memory.Get(k.place()); e.serves(k, samples) {
			out[k.Hour] = e.part
		} else {
			missing = append(missing, k)
		}
	}
	for len(missing) > 0 {
		n := min(len(missing), fetchAtOnce)
		if err := s.fetch(ctx, missing[:n], samples, out); err != nil {
			return nil, fmt.Errorf("look for sums of calls: %w", err)
		}
		missing = missing[n:]
	}
	return out, nil
}

// fetch finds documents. What cannot be had, or read, is read from the spans.
func (s *Shelf) fetch(ctx context.Context, keys []Key, samples int, out map[int64]*callsums.Part) error {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.id()
	}
	body, err := json.Marshal(map[string]any{"ids": ids})
	if err != nil {
		return err
	}
	answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + s.index + "/_mget", Body: body, Reads: true,
		Query: url.Values{"filter_path": {"docs.found,docs._source"}}})
	if cluster.IsMissing(err) || cluster.IsNoShard(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var in struct {
		Docs []struct {
			Found  bool     `json:"found"`
			Source document `json:"_source"`
		} `json:"docs"`
	}
	if err := json.Unmarshal(answer, &in); err != nil {
		return err
	}
	for i, d := range in.Docs {
		if i >= len(keys) || !d.Found || d.Source.Version != keys[i].Version || d.Source.Samples < samples {
			continue
		}
		part, err := callsums.Decode(d.Source.Sums)
		if err != nil {
			continue // it is made again, and written over
		}
		out[keys[i].Hour] = part
		s.remember(keys[i], part)
	}
	return nil
}

func (s *Shelf) remember(k Key, part *callsums.Part) {
	s.memory.Put(k.place(), entry{k.Version, part}, part.Bytes())
}

// Put keeps a part in the place of what was there.
func (s *Shelf) Put(ctx context.Context, k Key, part *callsums.Part) error {
	s.remember(k, part)
	sums, err := part.Encode()
	if err != nil {
		return err
	}
	body, err := json.Marshal(document{Tenant: k.Tenant, Hour: k.Hour, Version: k.Version, Samples: part.Samples, Sums: sums})
	if err != nil {
		return err
	}
	_, err = s.es.Do(ctx, cluster.Request{Method: http.MethodPut, Path: "/" + s.index + "/_doc/" + k.id(), Body: body, Once: true})
	return err
}

// Forget removes from the index all that is of a tenant: it was made of spans that
// are deleted now.
func (s *Shelf) Forget(ctx context.Context, tenant string) error {
	if err := s.remove(ctx, search.Term("tenant", tenant)); err != nil {
		return fmt.Errorf("forget sums of calls: %w", err)
	}
	return nil
}

// Drop removes from the index what is of hours before one.
func (s *Shelf) Drop(ctx context.Context, before int64) error {
	if s.oldest.Load() >= before {
		return nil
	}
	if err := s.remove(ctx, search.Range("hour", map[string]any{"lt": before})); err != nil {
		return fmt.Errorf("drop old sums of calls: %w", err)
	}
	s.oldest.Store(before)
	return nil
}

// removeAtOnce is how many documents are removed with one request.
const removeAtOnce = 1000

func (s *Shelf) remove(ctx context.Context, query any) error {
	find, err := json.Marshal(map[string]any{"size": removeAtOnce, "_source": false, "query": query})
	if err != nil {
		return err
	}
	for {
		_, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + s.index + "/_refresh"})
		if cluster.IsMissing(err) {
			return nil // nobody has kept any
		}
		if err != nil {
			return err
		}
		answer, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + s.index + "/_search", Body: find, Query: url.Values{cluster.Partial: {"false"}}})
		if err != nil {
			return err
		}
		var in struct {
			Hits struct {
				Hits []struct {
					ID string `json:"_id"`
				} `json:"hits"`
			} `json:"hits"`
		}
		if err := json.Unmarshal(answer, &in); err != nil {
			return err
		}
		if len(in.Hits.Hits) == 0 {
			return nil
		}
		var body []byte
		for _, h := range in.Hits.Hits {
			body = fmt.Appendf(body, `{"delete":{"_id":%q}}`+"\n", h.ID)
		}
		done, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + s.index + "/_bulk", Body: body, NDJSON: true, Query: url.Values{"filter_path": {"errors,items.*.error"}}})
		if err != nil {
			return err
		}
		if fastjson.GetBool(done, "errors") {
			return fmt.Errorf("some are not removed: %s", done)
		}
	}
}
