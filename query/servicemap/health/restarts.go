package health

import (
	"context"
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/clewhq/clew/correlation/kubernetes"
)

// restartMetrics count the restarts of a container: OpenTelemetry's receiver of
// cluster metrics, in its spellings, and kube-state-metrics.
var restartMetrics = []string{"k8s_container_restarts", "k8s.container.restarts", "kube_pod_container_status_restarts_total"}

// reasonMetrics are 1 for the reason of a container that waits or was ended,
// by kube-state-metrics.
var reasonMetrics = []string{"kube_pod_container_status_waiting_reason", "kube_pod_container_status_last_terminated_reason"}

// container is one of a pod.
type container struct{ namespace, pod, name string }

func containerOf(ls labels.Labels) container {
	return container{firstLabel(ls, kubernetes.AttrNamespace, "namespace"), firstLabel(ls, kubernetes.AttrPod, "pod"), firstLabel(ls, "k8s.container.name", "container")}
}

// restarts reads how often the containers of services were started again.
func (l *look) restarts(ctx context.Context) error {
	counted, err := l.metrics.read(ctx, max(l.From-l.lookback(), 0), l.To, restartMetrics...)
	if err != nil {
		return err
	}
	why, err := l.containerReasons(ctx)
	if err != nil {
		return err
	}
	for i := range counted {
		s := &counted[i]
		n, first, last := s.increases(l.From)
		if n == 0 {
			continue
		}
		c := containerOf(s.labels)
		text := fmt.Sprintf("container %s of pod %s was started again %s, last at %s", c.name, c.pod, times(n), clock(last))
		if w := why[c]; w != "" {
			text += " (" + w + ")"
		}
		r := reasonOf(KindRestarts, Degraded, text, l.settled(first, last))
		r.Link = l.promLink(fmt.Sprintf("{__name__=%q, %s=%q}", s.labels.Get(model.MetricNameLabel), podLabel(s.labels), c.pod))
		l.blame(l.subjects.running(kubernetes.KindPod, c.namespace, c.pod, c.name), r)
	}
	return nil
}

// containerReasons returns why containers do not run, or were ended last.
func (l *look) containerReasons(ctx context.Context) (map[container]string, error) {
	told, err := l.metrics.read(ctx, max(l.To-l.lookback(), 0), l.To, reasonMetrics...)
	if err != nil {
		return nil, err
	}
	out := map[container]string{}
	for i := range told {
		if v, ok := told[i].last(l.To, l.lookback()); ok && v == 1 {
			reason, c := told[i].labels.Get("reason"), containerOf(told[i].labels)
			if have := out[c]; have != "" && have < reason {
				reason = have + ", " + reason
			} else if have != "" {
				reason += ", " + have
			}
			out[c] = reason
		}
	}
	return out, nil
}

func podLabel(ls labels.Labels) string {
	for _, name := range []string{"k8s_pod_name", "k8s.pod.name"} {
		if ls.Get(name) != "" {
			return name
		}
	}
	return "pod"
}

// increases returns by how much a counter grew from the time given on, and when
// it did first and last. A counter that began again at a lower value tells of
// nothing: its container is another one.
func (s *series) increases(from int64) (n int, first, last int64) {
	before, known := 0.0, false
	for _, p := range s.points {
		if value.IsStaleNaN(p.v) {
			known = false
			continue
		}
		if known && p.v > before && p.at >= from {
			n += int(p.v - before)
			last = p.at
			if first == 0 {
				first = p.at
			}
		}
		before, known = p.v, true
	}
	return n, first, last
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
