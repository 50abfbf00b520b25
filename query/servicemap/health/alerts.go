package health

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// What an evaluation of rules writes: a sample for each alert that is pending
// or fires, and when it became active.
const (
	metricAlerts     = "ALERTS"
	metricAlertsFor  = "ALERTS_FOR_STATE"
	labelAlertName   = "alertname"
	labelAlertState  = "alertstate"
	alertStateFiring = "firing"
)

// alerts reads which alerts fired in the range, from what the rulers wrote:
// whichever process evaluates the rules, and also when it has forgotten.
func (l *look) alerts(ctx context.Context) error {
	fired, err := l.metrics.readMatching(ctx, l.From, l.To, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, metricAlerts),
		labels.MustNewMatcher(labels.MatchEqual, labelAlertState, alertStateFiring))
	if err != nil || len(fired) == 0 {
		return err
	}
	active, err := l.metrics.read(ctx, l.From, l.To, metricAlertsFor)
	if err != nil {
		return err
	}
	since := map[string]int64{}
	for i := range active {
		if v, ok := active[i].last(l.To, l.lookback()); ok {
			since[identity(active[i].labels)] = int64(v) * 1000 * milli
		}
	}
	for i := range fired {
		s := &fired[i]
		held, ok := s.lastStretch(l.To, l.lookback(), func(v float64) bool { return v != 0 })
		if !ok {
			continue
		}
		if at := since[identity(s.labels)]; at != 0 && held.until == 0 {
			held.since = min(held.since, at)
		}
		severity := s.labels.Get("severity")
		state := Degraded
		if slices.Contains(l.cfg.DownSeverities, strings.ToLower(severity)) {
			state = Down
		}
		name := s.labels.Get(labelAlertName)
		text := "alert " + name + " fires"
		if held.until != 0 {
			text = "alert " + name + " fired"
		}
		if severity != "" {
			text += ", severity " + severity
		}
		r := reasonOf(KindAlert, state, text, held)
		r.Link = l.promLink(fmt.Sprintf("%s{%s=%q}", metricAlerts, labelAlertName, name))
		l.blame(l.subjects.labelled(s.labels), r)
	}
	return nil
}

// identity is the same for the two series of an alert.
func identity(ls labels.Labels) string {
	return labels.NewBuilder(ls).Del(model.MetricNameLabel, labelAlertState).Labels().String()
}
