package ship

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// cluster is the Elasticsearch that all write to.
type cluster struct {
	url  string
	http *http.Client
}

// errMissing is the answer where there is no such thing.
var errMissing = errors.New("not there")

// call sends a request and reads its answer into out, unless that is nil.
func (c *cluster) call(ctx context.Context, method, path string, body, out any) error {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.url, "/")+path, in)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("call Elasticsearch: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return fmt.Errorf("read Elasticsearch's answer: %w", err)
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s %s: %w", method, path, errMissing)
	case resp.StatusCode >= http.StatusMultipleChoices:
		return fmt.Errorf("%s %s: Elasticsearch answers %d: %.300s", method, path, resp.StatusCode, text)
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}

// cpu is the CPU time of all nodes so far.
func (c *cluster) cpu(ctx context.Context) (time.Duration, error) {
	var out struct {
		Nodes map[string]struct {
			Process struct {
				CPU struct {
					Total int64 `json:"total_in_millis"`
				} `json:"cpu"`
			} `json:"process"`
		} `json:"nodes"`
	}
	if err := c.call(ctx, http.MethodGet, "/_nodes/stats/process", nil, &out); err != nil {
		return 0, fmt.Errorf("read the CPU time of Elasticsearch: %w", err)
	}
	var sum time.Duration
	for _, n := range out.Nodes {
		sum += time.Duration(n.Process.CPU.Total) * time.Millisecond
	}
	return sum, nil
}

// taken tells how many documents the primary shards of an index have been
// given; none where there is no such index. It needs no refresh, which would
// cost something.
func (c *cluster) taken(ctx context.Context, name string) (int, error) {
	var out struct {
		All struct {
			Primaries struct {
				Indexing struct {
					Total int `json:"index_total"`
				} `json:"indexing"`
			} `json:"primaries"`
		} `json:"_all"`
	}
	err := c.call(ctx, http.MethodGet, "/"+name+"/_stats/indexing?ignore_unavailable=true", nil, &out)
	if errors.Is(err, errMissing) {
		err = nil
	}
	return out.All.Primaries.Indexing.Total, err
}

// holds tells how many documents are in the primary shards of some indices,
// and how many bytes these are, segment by segment: sums of whole indices are
// some seconds old.
func (c *cluster) holds(ctx context.Context, names ...string) (docs int, bytes int64, err error) {
	var out struct {
		Indices map[string]struct {
			Shards map[string][]struct {
				Routing struct {
					Primary bool `json:"primary"`
				} `json:"routing"`
				Segments map[string]struct {
					Docs  int   `json:"num_docs"`
					Bytes int64 `json:"size_in_bytes"`
				} `json:"segments"`
			} `json:"shards"`
		} `json:"indices"`
	}
	if len(names) == 0 {
		return 0, 0, nil
	}
	if err := c.call(ctx, http.MethodGet, "/"+escape(names)+"/_segments?ignore_unavailable=true", nil, &out); err != nil {
		return 0, 0, fmt.Errorf("read the sizes of segments: %w", err)
	}
	for _, index := range out.Indices {
		for _, copies := range index.Shards {
			for _, shard := range copies {
				for _, segment := range shard.Segments {
					if shard.Routing.Primary {
						docs, bytes = docs+segment.Docs, bytes+segment.Bytes
					}
				}
			}
		}
	}
	return docs, bytes, nil
}

// merge makes one segment of each shard, so that sizes can be compared.
func (c *cluster) merge(ctx context.Context, names ...string) error {
	const quiet = "?ignore_unavailable=true"
	for _, what := range []string{"/_refresh" + quiet, "/_forcemerge" + quiet + "&max_num_segments=1", "/_refresh" + quiet, "/_flush" + quiet} {
		if err := c.call(ctx, http.MethodPost, "/"+escape(names)+what, nil, nil); err != nil && !errors.Is(err, errMissing) {
			return err
		}
	}
	return nil
}

// setUp puts the templates of a side that leaves them to others.
func (c *cluster) setUp(ctx context.Context, s side) error {
	for signal, stream := range s.streams {
		if s.settings == nil {
			return nil
		}
		mappings, err := configs.ReadFile("configs/" + string(signal) + ".json")
		if err != nil {
			return err
		}
		const priority = 1000 // above what the cluster has by itself
		body := map[string]any{
			"index_patterns": []string{stream}, "priority": priority, "data_stream": map[string]any{},
			"template": map[string]any{"settings": map[string]any{"index": s.settings}, "mappings": json.RawMessage(mappings)},
		}
		if err := c.call(ctx, http.MethodPut, "/_index_template/"+templateName(stream), body, nil); err != nil {
			return fmt.Errorf("set up %s: %w", s.name, err)
		}
	}
	return nil
}

func templateName(stream string) string { return "loadtest-" + stream }

// clear removes all that a side has made.
func (c *cluster) clear(ctx context.Context, s side) error {
	var errs []error
	remove := func(path string) {
		if err := c.call(ctx, http.MethodDelete, path, nil, nil); !errors.Is(err, errMissing) {
			errs = append(errs, err)
		}
	}
	templates := s.leaves
	for _, stream := range s.streams {
		if there, err := c.has(ctx, "/_data_stream/"+stream); err != nil || there {
			errs = append(errs, err)
			remove("/_data_stream/" + stream)
		}
		if s.settings != nil {
			templates = append(templates, templateName(stream))
		}
	}
	for _, pattern := range s.others {
		var found map[string]any
		if err := c.call(ctx, http.MethodGet, "/"+url.PathEscape(pattern)+"?ignore_unavailable=true", nil, &found); !errors.Is(err, errMissing) {
			errs = append(errs, err)
		}
		for name := range found {
			remove("/" + name)
		}
	}
	for _, t := range templates {
		remove("/_index_template/" + t)
	}
	return errors.Join(errs...)
}

// has reports whether a GET finds something.
func (c *cluster) has(ctx context.Context, path string) (bool, error) {
	var out struct {
		Streams []json.RawMessage `json:"data_streams"`
	}
	err := c.call(ctx, http.MethodGet, path, nil, &out)
	if errors.Is(err, errMissing) {
		return false, nil
	}
	return len(out.Streams) > 0, err
}

func escape(names []string) string { return url.PathEscape(strings.Join(names, ",")) }
