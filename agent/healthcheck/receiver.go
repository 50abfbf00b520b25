package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// maxBodyBytes is how much of an answer is read.
const maxBodyBytes = 1 << 20

// scopeName tells whose metrics they are.
const scopeName = "github.com/clewhq/clew/agent/healthcheck"

// asker asks all targets at once.
type asker struct {
	config  *Config
	set     component.TelemetrySettings
	now     func() time.Time
	clients []*http.Client
}

func (a *asker) start(ctx context.Context, host component.Host) error {
	for i := range a.config.Targets {
		t := &a.config.Targets[i]
		if t.Timeout == 0 {
			t.Timeout = defaultTimeout
		}
		client, err := t.ToClient(ctx, host.GetExtensions(), a.set)
		if err != nil {
			return fmt.Errorf("make a client for %s: %w", t.Endpoint, err)
		}
		a.clients = append(a.clients, client)
	}
	return nil
}

func (a *asker) shutdown(context.Context) error {
	for _, c := range a.clients {
		c.CloseIdleConnections()
	}
	return nil
}

// answer is what came back.
type answer struct {
	at       time.Time
	took     time.Duration
	code     int // 0: nobody answered
	err      error
	body     report
	readable bool
}

func (a *asker) scrape(ctx context.Context) (pmetric.Metrics, error) {
	answers := make([]answer, len(a.clients))
	var asking sync.WaitGroup
	for i, client := range a.clients {
		asking.Go(func() { answers[i] = a.ask(ctx, client, a.config.Targets[i].Endpoint) })
	}
	asking.Wait()
	out := pmetric.NewMetrics()
	for i := range answers {
		if err := ctx.Err(); err != nil {
			return pmetric.NewMetrics(), err // the agent stops: that says nothing of anybody
		}
		a.config.Targets[i].write(out.ResourceMetrics().AppendEmpty(), &answers[i])
	}
	return out, nil
}

func (a *asker) ask(ctx context.Context, client *http.Client, endpoint string) (out answer) {
	out.at = a.now()
	defer func() { out.took = a.now().Sub(out.at) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		out.err = err
		return out
	}
	req.Header.Set("Accept", "application/health+json, application/json;q=0.9, */*;q=0.1")
	res, err := client.Do(req)
	if err != nil {
		out.err = err
		return out
	}
	defer res.Body.Close()
	out.code = res.StatusCode
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBodyBytes))
	if err != nil {
		out.code, out.err = 0, err
		return out
	}
	out.body, out.readable = parse(body)
	return out
}

// write writes an answer as metrics of the service that gave it.
func (t *Target) write(rm pmetric.ResourceMetrics, a *answer) {
	u, err := url.Parse(t.Endpoint)
	if err != nil {
		return // was refused when the agent started
	}
	service := t.Service
	if service == "" {
		service = u.Hostname()
	}
	attrs := rm.Resource().Attributes()
	attrs.PutStr("service.name", service)
	if t.Namespace != "" {
		attrs.PutStr("service.namespace", t.Namespace)
	}
	attrs.PutStr("service.instance.id", u.Host)
	w := writer{into: rm.ScopeMetrics().AppendEmpty(), at: pcommon.NewTimestampFromTime(a.at), url: withoutSecrets(t.Endpoint)}
	w.into.Scope().SetName(scopeName)
	w.checked(a)
	if !a.readable {
		return
	}
	if a.body.known {
		w.gauge("health.status", "", "What the service's health check says of it: 1 well, 0.5 degraded, 0 down").point(a.body.status).Attributes().PutStr("url.full", w.url)
	}
	if len(a.body.dependencies) == 0 {
		return
	}
	g := w.gauge("health.dependency.status", "", "What the service's health check says of what it needs: 1 well, 0.5 degraded, 0 down")
	for _, d := range a.body.dependencies {
		of := g.point(d.status).Attributes()
		of.PutStr("dependency.name", d.name)
		if d.typ != "" {
			of.PutStr("dependency.type", d.typ)
		}
		if d.address != "" {
			of.PutStr("server.address", d.address)
		}
	}
}

// writer writes the metrics of one answer.
type writer struct {
	into pmetric.ScopeMetrics
	at   pcommon.Timestamp
	url  string
}

// points are those of one metric.
type points struct {
	list pmetric.NumberDataPointSlice
	at   pcommon.Timestamp
}

func (p points) point(value float64) pmetric.NumberDataPoint {
	out := p.list.AppendEmpty()
	out.SetTimestamp(p.at)
	out.SetDoubleValue(value)
	return out
}

func (w *writer) metric(name, unit, about string) pmetric.Metric {
	m := w.into.Metrics().AppendEmpty()
	m.SetName(name)
	m.SetUnit(unit)
	m.SetDescription(about)
	return m
}

func (w *writer) gauge(name, unit, about string) points {
	return points{w.metric(name, unit, about).SetEmptyGauge().DataPoints(), w.at}
}

// count makes a sum that goes up and down, as the HTTP check's are.
func (w *writer) count(name, unit, about string) points {
	s := w.metric(name, unit, about).SetEmptySum()
	s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	return points{s.DataPoints(), w.at}
}

// classes are those of HTTP's status codes.
var classes = []string{"1xx", "2xx", "3xx", "4xx", "5xx"}

// checked writes whether somebody answered, and how fast.
func (w *writer) checked(a *answer) {
	status := w.count("httpcheck.status", "1", "1 for the class of status that was answered")
	for i, class := range classes {
		value := 0.0
		if a.code/100 == i+1 {
			value = 1
		}
		of := status.point(value).Attributes()
		of.PutStr("http.url", w.url)
		of.PutStr("http.method", http.MethodGet)
		of.PutInt("http.status_code", int64(a.code))
		of.PutStr("http.status_class", class)
	}
	w.gauge("httpcheck.duration", "ms", "How long the answer took").point(float64(a.took)/float64(time.Millisecond)).Attributes().PutStr("http.url", w.url)
	if a.err != nil {
		of := w.count("httpcheck.error", "{error}", "That nobody answered").point(1).Attributes()
		of.PutStr("http.url", w.url)
		of.PutStr("error.type", kindOf(a.err))
	}
}

// kindOf names an error by what a reader would do about it.
func kindOf(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "name_not_known"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection_refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection_closed"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "other"
}
