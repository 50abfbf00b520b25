package remote

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/api"
	promapi "github.com/prometheus/client_golang/api/prometheus/v1"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	promremote "github.com/prometheus/prometheus/storage/remote"

	"github.com/clewhq/clew/storage"
)

// Tenant is one tenant's metrics in the store. It implements
// storage.TenantMetrics.
type Tenant struct {
	store *Store
	name  string
	label string // that tells the tenant in the store, "" where a header does
	read  promremote.ReadClient
	api   promapi.API
	meta  *families
}

var _ storage.TenantMetrics = (*Tenant)(nil)

func newTenant(s *Store, name string) (*Tenant, error) {
	t := &Tenant{store: s, name: name, meta: &families{most: s.cfg.MaxMetadataFamilies, known: map[string]metadata.Metadata{}}}
	if s.cfg.TenantHeader == "" {
		t.label = s.cfg.TenantLabel
	}
	way := s.caller.as(name, s.caller.reads)
	at, err := url.Parse(s.below("/api/v1/read"))
	if err != nil {
		return nil, err
	}
	client, err := promremote.NewReadClient("clew", &promremote.ClientConfig{
		URL: &promconfig.URL{URL: at}, Timeout: model.Duration(s.cfg.patience()), ChunkedReadLimit: uint64(s.cfg.MaxResponseBytes),
	})
	if err != nil {
		return nil, fmt.Errorf("make the client of remote read: %w", err)
	}
	client.(*promremote.Client).Client.Transport = way
	t.read = client
	web, err := api.NewClient(api.Config{Address: s.cfg.QueryURL, RoundTripper: way})
	if err != nil {
		return nil, fmt.Errorf("make the client of the HTTP API: %w", err)
	}
	t.api = promapi.NewAPI(web)
	return t, nil
}

// patience is how long all tries of a read may take together.
func (c Config) patience() time.Duration {
	return time.Duration(c.Retries+1)*time.Duration(c.RequestTimeout) + time.Duration(c.Retries)*time.Duration(c.RetryBackoffMax)
}

// own adds the label of the tenant.
func (t *Tenant) own(ls labels.Labels) labels.Labels {
	if t.label == "" {
		return ls
	}
	return labels.NewBuilder(ls).Set(t.label, t.name).Labels()
}

// disown takes the label of the tenant away.
func (t *Tenant) disown(ls labels.Labels) labels.Labels {
	if t.label == "" {
		return ls
	}
	return labels.NewBuilder(ls).Del(t.label).Labels()
}

// matchers returns what selects these series of this tenant only. To callers
// there is no label of the tenant; it reports false where they ask for one.
func (t *Tenant) matchers(asked []*labels.Matcher) ([]*labels.Matcher, bool) {
	if t.label == "" {
		return asked, true
	}
	out := make([]*labels.Matcher, 0, len(asked)+1)
	for _, m := range asked {
		switch {
		case m.Name != t.label:
			out = append(out, m)
		case !m.Matches(""):
			return nil, false
		}
	}
	return append(out, labels.MustNewMatcher(labels.MatchEqual, t.label, t.name)), true
}

// families is the metadata that this process has seen. It is safe for
// concurrent use.
type families struct {
	most  int
	mu    sync.Mutex
	known map[string]metadata.Metadata
	asked time.Time // when the store was asked last
	there map[string]metadata.Metadata
}

// learn notes what is known of a family and reports whether it is new.
func (f *families) learn(family string, md metadata.Metadata) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, ok := f.known[family]
	if ok && old == md || !ok && len(f.known) >= f.most {
		return false
	}
	f.known[strings.Clone(family)] = metadata.Metadata{
		Type: model.MetricType(strings.Clone(string(md.Type))), Unit: strings.Clone(md.Unit), Help: strings.Clone(md.Help),
	}
	return true
}

// metadataAge is how long the store's answer about metadata is used.
const metadataAge = time.Minute

// Metadata implements storage.TenantMetrics: what the store tells, where it
// tells something, and what this process has seen itself.
func (t *Tenant) Metadata(family string) map[string]metadata.Metadata {
	t.askMetadata()
	f := t.meta
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]metadata.Metadata{}
	for _, from := range []map[string]metadata.Metadata{f.there, f.known} {
		for name, md := range from {
			if family == "" || family == name {
				out[name] = md
			}
		}
	}
	return out
}

func (t *Tenant) askMetadata() {
	f := t.meta
	f.mu.Lock()
	now := t.store.now()
	fresh := !f.asked.IsZero() && now.Sub(f.asked) < metadataAge
	if !fresh {
		f.asked = now // whoever comes meanwhile makes do with what there is
	}
	f.mu.Unlock()
	if fresh {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(t.store.cfg.RequestTimeout))
	defer cancel()
	answer, err := t.api.Metadata(ctx, "", fmt.Sprint(f.most))
	if err != nil {
		t.store.log.Warn("the metrics store tells no metadata", "err", err)
		return
	}
	there := make(map[string]metadata.Metadata, len(answer))
	for name, list := range answer {
		if len(list) > 0 {
			there[name] = metadata.Metadata{Type: model.MetricType(list[0].Type), Help: list[0].Help, Unit: list[0].Unit}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.there = there
}
