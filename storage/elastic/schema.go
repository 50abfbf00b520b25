package elastic

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/clewhq/clew/storage/elastic/cluster"
	"github.com/clewhq/clew/telemetry"
)

// schemaVersion is the version of the mappings in schema/. A higher one makes
// clew write the templates anew and roll the data streams over.
const schemaVersion = 1

//go:embed schema/*.json
var schemas embed.FS

// templatePriority is above Elasticsearch's own templates for logs-*-* and
// traces-*-*.
const templatePriority = 500

// minMajor and minMinor are the oldest Elasticsearch that is supported.
const (
	minMajor = 8
	minMinor = 12
)

// From version partialPITMajor.partialPITMinor on a point in time is opened over
// the shards that are there. Older ones refuse that, and the parameter.
const partialPITMajor, partialPITMinor = 8, 16

// prepare makes the cluster ready: it checks the version, puts templates and
// policies, and rolls over what has older mappings. It runs until it has
// succeeded once.
func (s *Store) prepare(ctx context.Context) error {
	if s.prepared.Load() {
		return nil
	}
	s.preparing.Lock()
	defer s.preparing.Unlock()
	if s.prepared.Load() {
		return nil
	}
	if err := s.checkVersion(ctx); err != nil {
		return err
	}
	if err := s.chooseLifecycle(ctx); err != nil {
		return err
	}
	if err := s.checkNames(ctx); err != nil {
		return err
	}
	for _, t := range s.templates() {
		if err := s.putTemplate(ctx, t); err != nil {
			return fmt.Errorf("put index template %s: %w", t.name, err)
		}
	}
	s.prepared.Store(true)
	s.deps.Logger.Info("elasticsearch is ready", "schema", schemaVersion, "ilm", s.ilm.Load(), "dataset", s.cfg.Dataset)
	return nil
}

func (s *Store) checkVersion(ctx context.Context) error {
	body, err := s.es.Do(ctx, cluster.Request{Method: http.MethodGet, Path: "/"})
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		err = fmt.Errorf("%w (a node that wants https:// ends connections of http:// so)", err)
	}
	if err != nil {
		return fmt.Errorf("ask for the version at storage.elasticsearch.addresses: %w", err)
	}
	var info struct {
		Version struct {
			Number string `json:"number"`
		} `json:"version"`
	}
	if err := json.Unmarshal(body, &info); err != nil {
		return fmt.Errorf("read elasticsearch's version: %w", err)
	}
	parts := append(strings.SplitN(info.Version.Number, ".", 3), "", "")
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("read elasticsearch's version %q: %w", info.Version.Number, err)
	}
	s.partialPIT.Store(major > partialPITMajor || major == partialPITMajor && minor >= partialPITMinor)
	if major < minMajor || major == minMajor && minor < minMinor {
		return fmt.Errorf("elasticsearch is version %s; clew needs %d.%d or newer: upgrade the cluster", info.Version.Number, minMajor, minMinor)
	}
	return nil
}

// chooseLifecycle finds out whether the cluster has lifecycle policies, and
// puts clew's.
func (s *Store) chooseLifecycle(ctx context.Context) error {
	if s.cfg.Lifecycle == LifecycleClew {
		return nil
	}
	_, err := s.es.Do(ctx, cluster.Request{Method: http.MethodGet, Path: "/_ilm/status"})
	if code := cluster.Status(err); s.cfg.Lifecycle == LifecycleAuto && (code == http.StatusBadRequest || code == http.StatusNotFound || code == http.StatusMethodNotAllowed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask for lifecycle policies (storage.elasticsearch.lifecycle: clew does without them): %w", err)
	}
	for _, sig := range []telemetry.Signal{telemetry.Logs, telemetry.Traces} {
		body, err := json.Marshal(s.policy(s.retention(sig)))
		if err != nil {
			return err
		}
		if _, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPut, Path: "/_ilm/policy/" + s.names.policy(sig), Body: body}); err != nil {
			return fmt.Errorf("put lifecycle policy %s: %w", s.names.policy(sig), err)
		}
	}
	s.ilm.Store(true)
	return nil
}

// policy rolls over by age and size, and drops an index once its newest
// records are older than the retention.
func (s *Store) policy(keep time.Duration) map[string]any {
	phases := map[string]any{"hot": map[string]any{"actions": map[string]any{"rollover": map[string]any{
		"max_age":                seconds(time.Duration(s.cfg.RolloverAge)),
		"max_primary_shard_size": strconv.FormatInt(s.cfg.RolloverBytes, 10) + "b",
	}}}}
	if keep > 0 {
		phases["delete"] = map[string]any{"min_age": seconds(keep), "actions": map[string]any{"delete": map[string]any{}}}
	}
	return map[string]any{"policy": map[string]any{"phases": phases}}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) + "s" }

func (s *Store) retention(sig telemetry.Signal) time.Duration {
	if sig == telemetry.Logs {
		return time.Duration(s.cfg.Retention.Logs)
	}
	return time.Duration(s.cfg.Retention.Traces)
}

// checkNames refuses to write into what somebody else has made: its mappings
// would be others, and answers wrong without a sign.
func (s *Store) checkNames(ctx context.Context) error {
	type named struct {
		Name string `json:"name"`
	}
	var in struct {
		Indices []named `json:"indices"`
		Aliases []named `json:"aliases"`
	}
	patterns := s.names.prefix(telemetry.Logs) + "*," + s.names.prefix(telemetry.Traces) + "*"
	if err := s.ask(ctx, "/_resolve/index/"+patterns, &in); err != nil {
		return fmt.Errorf("look for what is called %s: %w", patterns, err)
	}
	for what, list := range map[string][]named{"index": in.Indices, "alias": in.Aliases} {
		if len(list) > 0 {
			return fmt.Errorf("%s is an %s, and clew needs its name for a data stream: rename or delete it, or set storage.elasticsearch.dataset", list[0].Name, what)
		}
	}
	return s.checkTemplates(ctx)
}

// checkTemplates refuses templates that take precedence over clew's.
func (s *Store) checkTemplates(ctx context.Context) error {
	var all struct {
		Templates []struct {
			Name     string `json:"name"`
			Template struct {
				Patterns []string `json:"index_patterns"`
				Priority int      `json:"priority"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	if err := s.ask(ctx, "/_index_template", &all); err != nil {
		return fmt.Errorf("list index templates: %w", err)
	}
	for _, t := range all.Templates {
		for _, pattern := range t.Template.Patterns {
			if own := s.overruled(pattern); own != "" && t.Template.Priority > templatePriority {
				return fmt.Errorf("index template %s (%s, priority %d) takes precedence over clew's for %s (priority %d): give it a lower priority or other patterns, or set storage.elasticsearch.dataset",
					t.Name, pattern, t.Template.Priority, own, templatePriority)
			}
		}
	}
	return nil
}

// overruled returns which of clew's names a pattern of a template takes in, ""
// for none.
func (s *Store) overruled(pattern string) string {
	for _, t := range s.templates() {
		// A tenant's name stands where clew's pattern has a star.
		if ok, err := path.Match(pattern, strings.ReplaceAll(t.pattern, "*", "tenant")); err == nil && ok {
			return t.pattern
		}
	}
	return ""
}

// ask asks for JSON.
func (s *Store) ask(ctx context.Context, path string, into any) error {
	body, err := s.es.Do(ctx, cluster.Request{Method: http.MethodGet, Path: path})
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

type template struct {
	name, pattern, schema string
	signal                telemetry.Signal // "" for none
	dataStream            bool
}

func (s *Store) templates() []template {
	n := s.names
	return []template{
		{"clew-streams-" + n.dataset, n.streams("*"), "streams", "", false},
		{n.deadLetters(), n.deadLetters(), "deadletter", "", true},
		{n.deletions(), n.deletions(), "deletions", "", false},
		{n.calls(), n.calls(), "calls", "", false},
		{n.policy(telemetry.Logs), n.prefix(telemetry.Logs) + "*", "logs", telemetry.Logs, true},
		{n.policy(telemetry.Traces), n.prefix(telemetry.Traces) + "*", "traces", telemetry.Traces, true},
	}
}

// body is the template as the cluster gets it.
func (s *Store) templateBody(t template) ([]byte, error) {
	mappings, err := schemas.ReadFile("schema/" + t.schema + ".json")
	if err != nil {
		return nil, err
	}
	settings := map[string]any{
		"index.number_of_shards": s.cfg.Shards, "index.number_of_replicas": s.cfg.Replicas,
		"index.codec": "best_compression",
	}
	if s.cfg.RefreshInterval > 0 { // one that is set is kept to even where nobody searches
		settings["index.refresh_interval"] = seconds(max(time.Duration(s.cfg.RefreshInterval), time.Second))
	}
	if t.signal == "" {
		settings["index.number_of_shards"] = 1
	}
	if t.signal != "" && s.ilm.Load() {
		settings["index.lifecycle.name"] = s.names.policy(t.signal)
	}
	body := map[string]any{
		"index_patterns": []string{t.pattern}, "priority": templatePriority, "version": schemaVersion,
		"template": map[string]any{"settings": settings, "mappings": json.RawMessage(mappings)},
		"_meta":    map[string]any{"description": "clew's " + t.schema, "schema": schemaVersion},
	}
	if t.dataStream {
		body["data_stream"] = map[string]any{}
	}
	return json.Marshal(body)
}

// putTemplate writes a template; where the cluster has an older one, the data
// streams of it get new indices.
func (s *Store) putTemplate(ctx context.Context, t template) error {
	path := "/_index_template/" + t.name
	before, err := s.templateVersion(ctx, path)
	if err != nil {
		return err
	}
	if before > schemaVersion {
		return fmt.Errorf("the cluster has version %d of it, this program knows %d: a newer clew wrote it, upgrade this one", before, schemaVersion)
	}
	body, err := s.templateBody(t)
	if err != nil {
		return err
	}
	if _, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPut, Path: path, Body: body}); err != nil {
		return err
	}
	if before == 0 || before == schemaVersion || t.signal == "" {
		return nil
	}
	list, err := s.dataStreams(ctx, t.pattern)
	if err != nil {
		return err
	}
	for _, ds := range list {
		if _, err := s.es.Do(ctx, cluster.Request{Method: http.MethodPost, Path: "/" + ds.Name + "/_rollover", Once: true}); err != nil {
			return fmt.Errorf("roll over %s to the new mappings: %w", ds.Name, err)
		}
		s.deps.Logger.Info("rolled over to new mappings", "data_stream", ds.Name, "from", before, "to", schemaVersion)
	}
	return nil
}

// templateVersion is 0 where there is no such template.
func (s *Store) templateVersion(ctx context.Context, path string) (int, error) {
	body, err := s.es.Do(ctx, cluster.Request{Method: http.MethodGet, Path: path})
	if cluster.IsMissing(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var out struct {
		Templates []struct {
			Template struct {
				Version int `json:"version"`
				Meta    struct {
					Schema *int `json:"schema"`
				} `json:"_meta"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return 0, fmt.Errorf("read it: %w", err)
	}
	if len(out.Templates) == 0 {
		return 0, nil
	}
	if out.Templates[0].Template.Meta.Schema == nil {
		return 0, errors.New("the cluster has one of that name that is not clew's: rename or delete it, or set storage.elasticsearch.dataset")
	}
	return out.Templates[0].Template.Version, nil
}

// dataStream is what the cluster says of one.
type dataStream struct {
	Name    string `json:"name"`
	Indices []struct {
		Name string `json:"index_name"`
	} `json:"indices"`
}

// dataStreams lists those of a pattern; none where there are none.
func (s *Store) dataStreams(ctx context.Context, pattern string) ([]dataStream, error) {
	body, err := s.es.Do(ctx, cluster.Request{Method: http.MethodGet, Path: "/_data_stream/" + url.PathEscape(pattern)})
	if cluster.IsMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list data streams: %w", err)
	}
	var out struct {
		Streams []dataStream `json:"data_streams"`
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, fmt.Errorf("list data streams: %w", err)
	}
	return out.Streams, nil
}

// make makes the data streams and indices that items go to, where they are not
// known to be there. A bulk request that makes one waits half a minute for its
// shards, whatever it says, with all that is in it for others; here it is not
// waited longer than for a shard. What cannot be made the bulk request tells of.
func (s *Store) make(ctx context.Context, items []item) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(s.cfg.ShardWait))
	defer cancel()
	if !s.listed.Load() {
		for _, sig := range []telemetry.Signal{telemetry.Logs, telemetry.Traces} {
			list, err := s.dataStreams(ctx, s.names.prefix(sig)+"*")
			if err != nil {
				return
			}
			for _, ds := range list {
				s.made.Store(ds.Name, true)
			}
		}
		s.listed.Store(true)
	}
	var making sync.WaitGroup
	defer making.Wait()
	asked := map[string]bool{}
	for i := range items {
		it := &items[i]
		if i > 0 && it.index == items[i-1].index || it.kind == itemDeadLetter || asked[it.index] {
			continue
		}
		if _, there := s.made.Load(it.index); !there {
			asked[it.index] = true
			making.Go(func() { s.makeOne(ctx, it.index, it.kind) })
		}
	}
}

func (s *Store) makeOne(ctx context.Context, index string, kind itemKind) {
	r := cluster.Request{Method: http.MethodPut, Path: "/_data_stream/" + index, Once: true}
	if kind == itemStream {
		r.Path, r.Query = "/"+index, url.Values{"wait_for_active_shards": {"0"}}
	}
	_, err := s.es.Do(ctx, r)
	exists := cluster.Status(err) == http.StatusBadRequest && strings.Contains(err.Error(), "already_exists")
	if err == nil || exists || errors.Is(ctx.Err(), context.DeadlineExceeded) { // it waits for its shards
		s.made.Store(index, true)
	}
}
