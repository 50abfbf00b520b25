package loki

import (
	"net/http"
	"slices"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/syntax"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
)

// shardLabel is a label of Loki's own that Grafana asks for to see whether
// streams are sharded. They are not.
const shardLabel = "__stream_shard__"

// lokiStream is what is stored of one stream as Loki tells them apart.
type lokiStream struct {
	view           *entry.Stream
	records, bytes int64
	infos          []storage.StreamInfo
}

// selector reads a parameter that holds a stream selector; nil for none.
func (a *API) selector(r *http.Request, name string) ([]*syntax.Matcher, error) {
	text := r.Form.Get(name)
	m, err := syntax.ParseMatchers(text)
	if err != nil {
		// A whole log query is welcome too: its selector counts.
		if e, perr := syntax.ParseLog(text); perr == nil {
			return e.Matchers, nil
		}
		return nil, &paramError{name, text, "a stream selector such as {service_name=\"x\"}: " + err.Error()}
	}
	return m, nil
}

// streams lists the streams that any of the selectors matches, those of equal
// labels put together, in the order of their labels, and what is missing of the
// list. No selector is all.
func (a *API) streams(r *http.Request, start, end int64, selectors ...[]*syntax.Matcher) ([]*lokiStream, []string, error) {
	var stats storage.ReadStats
	streams, err := a.streamsIn(r, start, end, &stats, selectors...)
	return streams, stats.Warnings, err
}

func (a *API) streamsIn(r *http.Request, start, end int64, stats *storage.ReadStats, selectors ...[]*syntax.Matcher) ([]*lokiStream, error) {
	infos, err := a.reader.Streams(r.Context(), tenant.From(r.Context()), telemetry.Logs, max(start, 0), max(end, 1), stats)
	if err != nil {
		return nil, err
	}
	index := map[string]*lokiStream{}
	out := []*lokiStream{}
	for _, info := range infos {
		v := entry.NewStream(info.Stream)
		if !matchesAny(v, selectors) {
			continue
		}
		s, ok := index[v.Key()]
		if !ok {
			s = &lokiStream{view: v}
			index[v.Key()] = s
			out = append(out, s)
		}
		s.infos = append(s.infos, info)
	}
	slices.SortFunc(out, func(x, y *lokiStream) int {
		return slices.CompareFunc(x.view.Labels, y.view.Labels, compareLabels)
	})
	return out, nil
}

func compareLabels(x, y entry.Label) int {
	switch {
	case x.Name < y.Name || x.Name == y.Name && x.Value < y.Value:
		return -1
	case x == y:
		return 0
	}
	return 1
}

func matchesAny(v *entry.Stream, selectors [][]*syntax.Matcher) bool {
	for _, ms := range selectors {
		all := true
		for _, m := range ms {
			all = all && m.Matches(v.Get(m.Name))
		}
		if all {
			return true
		}
	}
	return len(selectors) == 0
}

// asked reads the range and the selector in query.
func (a *API) asked(r *http.Request) (start, end int64, m []*syntax.Matcher, err error) {
	if start, end, err = a.rangeParams(r, a.cfg.LabelsRange); err != nil {
		return 0, 0, nil, err
	}
	m, err = a.selector(r, "query")
	return start, end, m, err
}

// selected lists the streams that are asked for.
func (a *API) selected(r *http.Request) ([]*lokiStream, []string, error) {
	start, end, m, err := a.asked(r)
	if err != nil {
		return nil, nil, err
	}
	return a.streams(r, start, end, m)
}

// values answers with a sorted list, and says so where it had to be cut.
func (a *API) values(w http.ResponseWriter, set map[string]struct{}, warnings []string) {
	list := make([]string, 0, len(set))
	for v := range set {
		list = append(list, v)
	}
	slices.Sort(list)
	if len(list) > a.cfg.MaxValues {
		list = list[:a.cfg.MaxValues]
		warnings = append(warnings, cutWarning(a.cfg.MaxValues))
	}
	writeJSON(w, succeeded(list, warnings))
}

// succeeded is an answer that says what is missing of it.
func succeeded(data any, warnings []string) map[string]any {
	body := map[string]any{"status": "success", "data": data}
	if len(warnings) > 0 {
		body["warnings"] = warnings
	}
	return body
}

func (a *API) labels(w http.ResponseWriter, r *http.Request) {
	streams, warnings, err := a.selected(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	set := map[string]struct{}{}
	for _, s := range streams {
		for _, l := range s.view.Labels {
			set[l.Name] = struct{}{}
		}
	}
	a.values(w, set, warnings)
}

func (a *API) labelValues(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name") // any name may be asked for; no stream has an odd one
	streams, warnings, err := a.selected(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	set := map[string]struct{}{}
	for _, s := range streams {
		if v := s.view.Get(name); v != "" && name != shardLabel {
			set[v] = struct{}{}
		}
	}
	a.values(w, set, warnings)
}

func (a *API) series(w http.ResponseWriter, r *http.Request) {
	start, end, err := a.rangeParams(r, a.cfg.LabelsRange)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	var selectors [][]*syntax.Matcher
	for _, name := range []string{"match[]", "match"} {
		for _, text := range r.Form[name] {
			m, err := syntax.ParseMatchers(text)
			if err != nil {
				a.fail(w, r, &paramError{name, text, "a stream selector such as {service_name=\"x\"}: " + err.Error()})
				return
			}
			selectors = append(selectors, m)
		}
	}
	streams, warnings, err := a.streams(r, start, end, selectors...)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if len(streams) > a.cfg.MaxValues {
		streams = streams[:a.cfg.MaxValues]
		warnings = append(warnings, cutWarning(a.cfg.MaxValues))
	}
	data := make([]map[string]string, len(streams))
	for i, s := range streams {
		data[i] = labelMap(s.view.Labels)
	}
	writeJSON(w, succeeded(data, warnings))
}

func labelMap(labels []entry.Label) map[string]string {
	m := make(map[string]string, len(labels))
	for _, l := range labels {
		m[l.Name] = l.Value
	}
	return m
}
