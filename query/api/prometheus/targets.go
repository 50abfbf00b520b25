package prometheus

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
)

// Reporter is an agent or a service that sends something by itself. Where
// Prometheus has targets that it scrapes, here are those who report.
type Reporter struct {
	Job, Instance string
	// Attributes are those of its resource.
	Attributes map[string]string
	// Signals says what it sends: logs, metrics, traces.
	Signals []string
	// LastSeen is the time of the last thing it sent.
	LastSeen time.Time
	// Down says why it is down though it was heard of, "" where it is not.
	Down string
}

type (
	targetDiscovery struct {
		Active        []activeTarget  `json:"activeTargets"`
		Dropped       []activeTarget  `json:"droppedTargets"`
		DroppedCounts map[string]uint `json:"droppedTargetCounts"`
	}
	// activeTarget has the fields of Prometheus's.
	activeTarget struct {
		Discovered     map[string]string `json:"discoveredLabels"`
		Labels         map[string]string `json:"labels"`
		Pool           string            `json:"scrapePool"`
		URL            string            `json:"scrapeUrl"`
		GlobalURL      string            `json:"globalUrl"`
		LastError      string            `json:"lastError"`
		LastScrape     time.Time         `json:"lastScrape"`
		Duration       float64           `json:"lastScrapeDuration"`
		Health         string            `json:"health"`
		ScrapeInterval string            `json:"scrapeInterval"`
		ScrapeTimeout  string            `json:"scrapeTimeout"`
	}
)

// targets answers with those who report as active targets.
func (a *API) targets(w http.ResponseWriter, r *http.Request) {
	out := targetDiscovery{Active: []activeTarget{}, Dropped: []activeTarget{}, DroppedCounts: map[string]uint{}}
	switch state := strings.ToLower(r.FormValue("state")); state {
	case "", "any", "active":
	case "dropped":
		respond(w, out)
		return
	default:
		respondError(w, http.StatusBadRequest, errorBadData,
			fmt.Sprintf("invalid parameter %q: want active, dropped or any, got %q", "state", state))
		return
	}
	reporters, warnings, err := a.reporters(r.Context())
	if err != nil {
		respondStoreError(w, err)
		return
	}
	now, pool := a.now(), r.FormValue("scrapePool")
	for _, rep := range reporters {
		if pool == "" || pool == rep.Job {
			out.Active = append(out.Active, a.target(&rep, now))
		}
	}
	respond(w, out, warnings...)
}

// scrapePools answers with the jobs of those who report.
func (a *API) scrapePools(w http.ResponseWriter, r *http.Request) {
	reporters, warnings, err := a.reporters(r.Context())
	if err != nil {
		respondStoreError(w, err)
		return
	}
	pools := []string{}
	for _, rep := range reporters {
		pools = append(pools, rep.Job)
	}
	slices.Sort(pools)
	respond(w, map[string]any{"scrapePools": slices.Compact(pools)}, warnings...)
}

// target shows a reporter in the form of a target.
func (a *API) target(r *Reporter, now time.Time) activeTarget {
	t := activeTarget{
		Discovered: map[string]string{"__meta_clew_signals": strings.Join(r.Signals, ",")},
		Labels:     map[string]string{"job": r.Job},
		Pool:       r.Job, LastScrape: r.LastSeen.UTC(), Health: "up", LastError: r.Down,
		URL: (&url.URL{Scheme: "push", Host: r.Instance, Path: "/" + r.Job}).String(),
	}
	t.GlobalURL = t.URL
	if r.Instance != "" {
		t.Labels["instance"] = r.Instance
	}
	maps.Copy(t.Discovered, r.Attributes)
	maps.Copy(t.Discovered, t.Labels)
	if silence := now.Sub(r.LastSeen); t.LastError == "" && silence > time.Duration(a.cfg.TargetSilence) {
		t.LastError = fmt.Sprintf("nothing was heard of it for %s", silence.Round(time.Second))
	}
	if t.LastError != "" {
		t.Health = "down"
	}
	return t
}

// reporters lists who reported within the window, by job and instance, each
// once, whatever it sends, and what is missing of the list.
func (a *API) reporters(ctx context.Context) (_ []Reporter, warnings []string, _ error) {
	name := tenant.From(ctx)
	m, err := a.deps.Metrics.Tenant(name)
	if err != nil {
		return nil, nil, err
	}
	now := a.now()
	since := now.Add(-time.Duration(a.cfg.TargetWindow))
	all, err := metricReporters(ctx, m, since, now)
	if err != nil {
		return nil, nil, err
	}
	if a.deps.Reporters != nil {
		others, missing, err := a.deps.Reporters(ctx, name, since)
		if err != nil {
			return nil, nil, err
		}
		all, warnings = append(all, others...), missing
	}
	return joinReporters(all, since), warnings, nil
}

// joinReporters makes one of all that have the same job and instance, and
// leaves out who was last seen before since.
func joinReporters(all []Reporter, since time.Time) []Reporter {
	slices.SortStableFunc(all, func(a, b Reporter) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Instance, b.Instance))
	})
	var out []Reporter
	for _, r := range all {
		if r.LastSeen.Before(since) {
			continue
		}
		last := len(out) - 1
		if last < 0 || out[last].Job != r.Job || out[last].Instance != r.Instance {
			r.Attributes, r.Signals = maps.Clone(r.Attributes), slices.Clone(r.Signals)
			out = append(out, r)
			continue
		}
		have := &out[last]
		if have.Attributes == nil {
			have.Attributes = map[string]string{}
		}
		maps.Copy(have.Attributes, r.Attributes)
		have.Signals = append(have.Signals, r.Signals...)
		if r.LastSeen.After(have.LastSeen) {
			have.LastSeen = r.LastSeen
		}
		have.Down = cmp.Or(have.Down, r.Down)
	}
	for i := range out {
		slices.Sort(out[i].Signals)
		out[i].Signals = slices.Compact(out[i].Signals)
	}
	return out
}

// metricReporters finds who sends metrics: by target_info, which everything
// that comes as OTLP has, and by up, which agents write of what they scrape.
func metricReporters(ctx context.Context, m storage.TenantMetrics, since, now time.Time) (out []Reporter, err error) {
	from, to := since.UnixMilli(), now.UnixMilli()
	q, err := m.Querier(from, to)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := q.Close(); err == nil {
			err = cerr
		}
	}()
	names := labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, "target_info|up")
	set := q.Select(ctx, false, &promstorage.SelectHints{Start: from, End: to}, names)
	var it chunkenc.Iterator
	for set.Next() {
		s := set.At()
		ls := s.Labels()
		at, value := int64(-1), 0.0
		for it = s.Iterator(it); it.Next() == chunkenc.ValFloat; {
			at, value = it.At()
		}
		if err := it.Err(); err != nil {
			return nil, err
		}
		if at < 0 {
			continue
		}
		r := Reporter{Job: ls.Get("job"), Instance: ls.Get("instance"), LastSeen: time.UnixMilli(at), Signals: []string{"metrics"}, Attributes: map[string]string{}}
		ls.Range(func(l labels.Label) {
			if l.Name != model.MetricNameLabel {
				r.Attributes[l.Name] = l.Value
			}
		})
		if ls.Get(model.MetricNameLabel) == "up" && value == 0 {
			r.Down = "the agent could not scrape it"
		}
		out = append(out, r)
	}
	return out, set.Err()
}
