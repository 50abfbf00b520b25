package health

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// The metrics of health checks: those of OpenTelemetry's HTTP check and of
// clew's agent, of the blackbox exporter, and of a scrape; and those in which
// the agent writes what a service's health check says of itself (1 is well,
// 0 is down, and half way is degraded) and of its dependencies.
const (
	metricStatus     = "httpcheck_status"
	metricProbe      = "probe_success"
	metricUp         = "up"
	metricSelf       = "health_status"
	metricDependency = "health_dependency_status"
)

// checked is the state of one check: what it looks at, and since when it fails.
type checked struct {
	what   string
	value  float64
	failed stretch
	bad    bool
}

// target is whose checks of one metric are taken together.
type target struct{ id, metric string }

// checks reads which health checks of services failed.
func (l *look) checks(ctx context.Context) error {
	names := []string{metricStatus, "httpcheck.status", metricProbe, metricUp, metricSelf, "health.status", metricDependency, "health.dependency.status"}
	found, err := l.metrics.read(ctx, l.From, l.To, names...)
	if err != nil {
		return err
	}
	all, said := map[target][]checked{}, map[dependencyKey][]checked{}
	for _, s := range mergeStatus(found) {
		c := checked{what: whatOf(s.labels)}
		c.failed, c.bad = s.lastStretch(l.To, l.lookback(), func(v float64) bool { return v < 1 })
		value, current := s.last(l.To, l.lookback())
		if !current && !c.bad {
			continue
		}
		if c.value = value; !current {
			c.value = 1 // nobody looks any more: what failed is over
		}
		metric := strings.ReplaceAll(s.labels.Get(model.MetricNameLabel), ".", "_")
		for _, id := range l.checkedNodes(metric, s.labels) {
			if metric == metricDependency {
				k := dependencyKey{id, label(s.labels, "dependency.name"), label(s.labels, "dependency.type"), label(s.labels, "server.address")}
				said[k] = append(said[k], c)
				continue
			}
			all[target{id, metric}] = append(all[target{id, metric}], c)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(all), func(a, b target) int { return strings.Compare(a.id+" "+a.metric, b.id+" "+b.metric) }) {
		l.judgeChecks(k, all[k])
	}
	l.dependencies(said)
	return nil
}

// checkedNodes returns whom a check is about. What probes is not what is probed.
func (l *look) checkedNodes(metric string, ls labels.Labels) []string {
	if metric != metricProbe && metric != metricStatus {
		return l.subjects.labelled(ls)
	}
	if ids := l.subjects.hosted(ls); len(ids) > 0 {
		return ids
	}
	return l.subjects.labelled(labels.NewBuilder(ls).Del("job", "instance", "service_instance_id").Labels())
}

// mergeStatus makes one series of the classes of an HTTP check's status: it is
// well where the answer was of the second or third.
func mergeStatus(in []series) []series {
	byCheck := map[string]int{}
	var out []series
	for _, s := range in {
		class := label(s.labels, "http.status_class")
		if class == "" {
			out = append(out, s)
			continue
		}
		if class != "2xx" && class != "3xx" {
			continue
		}
		s.labels = labels.NewBuilder(s.labels).Del("http_status_class", "http.status_class", "http_status_code", "http.status_code").Labels()
		key := s.labels.String()
		at, ok := byCheck[key]
		if !ok {
			byCheck[key] = len(out)
			out = append(out, s)
			continue
		}
		out[at].points = best(out[at].points, s.points)
	}
	return out
}

// best joins the samples of two classes: of those of one time the higher one.
func best(a, b []point) []point {
	out := slices.Concat(a, b)
	slices.SortStableFunc(out, func(x, y point) int { return int(x.at/milli - y.at/milli) })
	n := 0
	for _, p := range out {
		if n > 0 && out[n-1].at == p.at {
			if !(out[n-1].v >= p.v) {
				out[n-1].v = p.v
			}
			continue
		}
		out[n] = p
		n++
	}
	return out[:n]
}

func whatOf(ls labels.Labels) string {
	return firstLabel(ls, "http.url", "url.full", "service.instance.id", "instance", "target")
}

// judgeChecks says what the checks of one kind make of a node: down where none
// passes, degraded where some do not.
func (l *look) judgeChecks(k target, checks []checked) {
	var failing []checked
	over := stretch{}
	for _, c := range checks {
		switch {
		case c.bad && c.failed.until == 0:
			failing = append(failing, c)
		case c.bad && c.failed.until > over.until:
			over = c.failed
		}
	}
	if len(failing) == 0 {
		l.found.Well[k.id] = true
		if over.until != 0 {
			r := reasonOf(KindCheck, OK, sayings[k.metric].was, over)
			r.Link = l.promLink(k.metric)
			l.blame([]string{k.id}, r)
		}
		return
	}
	since, worst, what := failing[0].failed, 1.0, []string{}
	for _, c := range failing {
		since.since = min(since.since, c.failed.since)
		worst = min(worst, c.value)
		what = append(what, c.what)
	}
	state := Degraded
	if len(failing) == len(checks) && worst == 0 {
		state = Down
	}
	text := sayings[k.metric].is
	if worst > 0 {
		text = sayings[k.metric].partly
	}
	text += ": " + listed(what)
	if len(checks) > len(failing) {
		text += fmt.Sprintf(" (%d of %d)", len(failing), len(checks))
	}
	r := reasonOf(KindCheck, state, text, since)
	r.Link = l.promLink(k.metric)
	l.blame([]string{k.id}, r)
}

// sayings are what checks say when they fail, when half of it does, and when
// they did.
var sayings = map[string]struct{ is, partly, was string }{
	metricStatus: {"the health check fails", "the health check fails", "the health check failed"},
	metricProbe:  {"the probe fails", "the probe fails", "the probe failed"},
	metricUp:     {"cannot be scraped", "cannot be scraped", "could not be scraped"},
	metricSelf:   {"says of itself that it is down", "says of itself that it is degraded", "said of itself that it was not well"},
}
