package alert

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"

	"github.com/clewhq/clew/alert/internal/alertmanagertest"
	"github.com/clewhq/clew/internal/tenant"
)

const fireRule = `
groups:
- name: health
  interval: 1s
  rules:
  - record: job:errors:sum
    expr: sum by (job) (errors)
  - alert: TooManyErrors
    expr: job:errors:sum > 10
    labels: {severity: page}
    annotations:
      summary: "{{ $labels.job }} has {{ $value }} errors"
`

// A rule fires, a real Alertmanager shows the alert, and it goes when the
// reason has gone.
func TestAlertFiresAndResolves(t *testing.T) {
	am := alertmanagertest.Start(t)
	f := newFixture(t)
	f.cfg.Alertmanagers = []string{am.URL}
	f.cfg.ExternalLabels = map[string]string{"cluster": "test"}
	f.cfg.ExternalURL = "http://clew.test:2539"
	f.write("health.yaml", fireRule)
	f.put(tenant.Anonymous, 42, model.MetricNameLabel, "errors", "job", "checkout")
	m := f.manager()

	var alert alertmanagertest.Alert
	eventually(t, "the alert reaches Alertmanager", func() error {
		alerts, err := am.Alerts(t.Context())
		if err != nil || len(alerts) != 1 {
			return fmt.Errorf("alerts %v, %w", alerts, errNotYet)
		}
		alert = alerts[0]
		return nil
	})
	want := map[string]string{"alertname": "TooManyErrors", "job": "checkout", "severity": "page", "cluster": "test"}
	if fmt.Sprint(alert.Labels) != fmt.Sprint(want) {
		t.Errorf("labels: want %v, got %v", want, alert.Labels)
	}
	if got := alert.Annotations["summary"]; got != "checkout has 42 errors" {
		t.Errorf("summary: got %q", got)
	}
	if want := "http://clew.test:2539/prometheus/api/v1/query?query=job%3Aerrors%3Asum"; !strings.HasPrefix(alert.GeneratorURL, want) {
		t.Errorf("link: want %s..., got %s", want, alert.GeneratorURL)
	}
	eventually(t, "ALERTS is stored", func() error {
		return when(len(f.query(tenant.Anonymous, `ALERTS{alertname="TooManyErrors",alertstate="firing",job="checkout"}`)) == 1)
	})
	eventually(t, "the endpoint is known to be well", func() error {
		e := m.Endpoints()
		return when(len(e) == 1 && e[0].Address == am.URL && e[0].Connected && e[0].Average > 0)
	})
	if urls := m.Alertmanagers(); len(urls) != 1 || urls[0].String() != am.URL+"/api/v2/alerts" || len(m.DroppedAlertmanagers()) != 0 {
		t.Errorf("alertmanagers: %v", urls)
	}

	f.put(tenant.Anonymous, 1, model.MetricNameLabel, "errors", "job", "checkout")
	eventually(t, "the alert is resolved", func() error {
		alerts, err := am.Alerts(t.Context())
		if err != nil {
			return err
		}
		return when(len(alerts) == 0)
	})
}

func TestTenantsAlertApart(t *testing.T) {
	am := alertmanagertest.Start(t)
	f := newFixture(t)
	f.cfg.Alertmanagers = []string{am.URL}
	f.write("acme/health.yml", fireRule)
	for _, name := range []string{"acme", tenant.Anonymous} {
		f.put(name, 42, model.MetricNameLabel, "errors", "job", "checkout")
	}
	m := f.manager()
	eventually(t, "the tenant's alert reaches Alertmanager", func() error {
		alerts, err := am.Alerts(t.Context())
		if err != nil {
			return err
		}
		return when(len(alerts) == 1 && alerts[0].Labels["tenant"] == "acme")
	})
	if got := f.query("acme", "job:errors:sum"); len(got) != 1 || got[0].F != 42 {
		t.Errorf("the tenant's recorded series: %v", got)
	}
	if got := f.query(tenant.Anonymous, "job:errors:sum"); len(got) != 0 {
		t.Errorf("recorded for the wrong tenant: %v", got)
	}
	if got := m.Rules("acme").RuleGroups(); len(got) != 1 || got[0].Name() != "health" {
		t.Errorf("groups of the tenant: %v", got)
	}
	if got := m.Rules("acme").AlertingRules(); len(got) != 1 || got[0].Name() != "TooManyErrors" {
		t.Errorf("alerting rules of the tenant: %v", got)
	}
	if got := m.Rules(tenant.Anonymous).RuleGroups(); len(got) != 0 {
		t.Errorf("groups of another tenant: %v", got)
	}
}

// An Alertmanager that is away does no harm and shows in the health.
func TestAlertmanagerAway(t *testing.T) {
	f := newFixture(t)
	f.cfg.Alertmanagers = []string{"http://user:secret@127.0.0.1:1/am"}
	f.write("health.yaml", fireRule)
	f.put(tenant.Anonymous, 42, model.MetricNameLabel, "errors", "job", "checkout")
	m := f.manager()
	if e := m.Endpoints(); e[0].Contacted {
		t.Errorf("contacted before there was anything to tell: %+v", e)
	}
	eventually(t, "the failure shows", func() error {
		e := m.Endpoints()[0]
		return when(e.Contacted && !e.Connected && strings.Contains(e.LastError, "refused"))
	})
	if e := m.Endpoints()[0]; strings.Contains(fmt.Sprintf("%+v", e), "secret") {
		t.Errorf("the password shows: %+v", e)
	}
	if got := testutil.ToFloat64(m.self.reloads.WithLabelValues("good")); got != 1 {
		t.Errorf("want one good reload, got %g", got)
	}
}
