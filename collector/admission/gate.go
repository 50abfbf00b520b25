package admission

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/storage"
	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/otlp"
)

// Deps are what a Gate works with.
type Deps struct {
	Records    storage.Writer
	Registerer prometheus.Registerer // may be nil
	Logger     *slog.Logger
	Now        func() time.Time
	// Limits returns a tenant's own limits; nil means Config.Limits for all.
	Limits func(tenant string) Limits
	// MaxAge returns how old a tenant's records may be; nil means
	// Config.MaxAge for all.
	MaxAge func(tenant string) MaxAge
}

// Gate is the way every log record and span takes into the store. It is safe
// for concurrent use.
type Gate struct {
	cfg      Config
	records  storage.Writer
	logger   *slog.Logger
	now      func() time.Time
	metrics  *metrics
	limiters *limiters
	times    *receiveTimes
	origins  *origins
	maxAge   func(tenant string) MaxAge
	flying   *InFlight
}

// New returns a gate with the rules of cfg, which must be valid.
func New(cfg Config, deps Deps) *Gate {
	limits := deps.Limits
	if limits == nil {
		limits = func(string) Limits { return cfg.Limits }
	}
	maxAge := deps.MaxAge
	if maxAge == nil {
		maxAge = func(string) MaxAge { return cfg.MaxAge }
	}
	m := newMetrics(deps.Registerer)
	return &Gate{
		maxAge: maxAge, flying: newInFlight(&cfg, m.inFlight),
		cfg: cfg, records: deps.Records, logger: deps.Logger, now: deps.Now,
		metrics: m, limiters: newLimiters(limits), times: newReceiveTimes(time.Duration(cfg.RetryWindow)),
		origins: newOrigins(time.Duration(cfg.OriginWindow), cfg.OriginRecords),
	}
}

// Config returns the gate's rules.
func (g *Gate) Config() Config { return g.cfg }

// Take asks for room within the tenant's limits.
func (g *Gate) Take(ctx context.Context, records, bytes int) error {
	return g.limiters.take(tenant.From(ctx), g.now(), records, bytes)
}

// Logs admits the records of raw, an ExportLogsServiceRequest that the gate
// then owns. It returns when what it admitted is durable.
func (g *Gate) Logs(ctx context.Context, protocol string, raw []byte) (Outcome, error) {
	decoder := otlp.NewDecoder()
	defer decoder.Release()
	batch, problems, err := decoder.Logs(raw)
	if err != nil {
		return Outcome{}, err
	}
	g.Received(telemetry.Logs, protocol, len(batch.Logs), len(raw))
	if err := g.Take(ctx, len(batch.Logs), len(raw)); err != nil {
		return Outcome{}, err
	}
	var out Outcome
	for _, p := range problems {
		out.Warn(fmt.Sprintf("record %d is kept without its %s: %s", p.Record, p.Field, p.Reason))
	}
	batch, lines, err := g.admitLogs(tenant.From(ctx), batch, &out)
	if err != nil {
		return Outcome{}, err
	}
	if len(batch.Logs) > 0 {
		res, err := g.records.WriteLogs(ctx, tenant.From(ctx), batch)
		if err != nil {
			return Outcome{}, fmt.Errorf("store %d log records: %w", len(batch.Logs), err)
		}
		out.Duplicate = res.Duplicate
		g.origins.add(lines, g.now())
	}
	g.count(telemetry.Logs, &out)
	return out, nil
}

// admitLogs returns a batch of the good records, each with a time. Where
// nothing had to be changed that is the batch itself, with the sender's bytes.
// lines are the origins of the lines in it that came out of files.
func (g *Gate) admitLogs(tenant string, b *telemetry.LogBatch, out *Outcome) (_ *telemetry.LogBatch, lines []uint64, _ error) {
	check := g.checker(time.Duration(g.maxAge(tenant).Logs))
	changed := false
	join := joiner{on: g.cfg.JoinTraceContext, records: len(b.Logs)}
	good := b.Logs[:0] // the batch is still ours alone
	for i := range b.Logs {
		l := &b.Logs[i]
		line, ofFile := g.origins.key(tenant, l)
		if ofFile && g.origins.stored(line) {
			changed = true
			g.metrics.repeated.Inc()
			continue
		}
		if l.Time == 0 {
			changed = true
			if l.Time = l.Observed; l.Time == 0 {
				l.Time = g.times.of(tenant, b.Raw, g.now())
			}
		}
		if v := check.log(l); v.bad() {
			out.rejectItem(i, "log record", v)
			continue
		}
		if ofFile {
			lines = append(lines, line)
		}
		join.log(i, l)
		if good = good[:len(good)+1]; len(good) <= i {
			good[len(good)-1] = *l
		}
	}
	g.metrics.joined.Add(float64(join.found))
	if !changed && out.Rejected == 0 {
		whole, err := join.complete(b)
		return whole, lines, err
	}
	if len(good) == 0 {
		return &telemetry.LogBatch{}, nil, nil
	}
	again, err := otlp.DecodeLogs(otlp.AppendLogs(make([]byte, 0, len(b.Raw)+16*len(good)), good))
	if err != nil {
		return nil, nil, fmt.Errorf("encode the admitted records: %w", err)
	}
	return again, lines, nil
}

// Spans admits the spans of raw, an ExportTraceServiceRequest; see Logs.
func (g *Gate) Spans(ctx context.Context, protocol string, raw []byte) (Outcome, error) {
	decoder := otlp.NewDecoder()
	defer decoder.Release()
	batch, problems, err := decoder.Spans(raw)
	if err != nil {
		return Outcome{}, err
	}
	g.Received(telemetry.Traces, protocol, len(batch.Spans), len(raw))
	if err := g.Take(ctx, len(batch.Spans), len(raw)); err != nil {
		return Outcome{}, err
	}
	var out Outcome
	if batch, err = g.admitSpans(tenant.From(ctx), batch, problems, &out); err != nil {
		return Outcome{}, err
	}
	if len(batch.Spans) > 0 {
		res, err := g.records.WriteSpans(ctx, tenant.From(ctx), batch)
		if err != nil {
			return Outcome{}, fmt.Errorf("store %d spans: %w", len(batch.Spans), err)
		}
		out.Duplicate = res.Duplicate
	}
	g.count(telemetry.Traces, &out)
	return out, nil
}

// admitSpans: see admitLogs. A span with an ID of a wrong length is rejected
// as one without it, its parent's or a link's is left out.
func (g *Gate) admitSpans(tenant string, b *telemetry.SpanBatch, problems []otlp.Problem, out *Outcome) (*telemetry.SpanBatch, error) {
	for _, p := range problems {
		if p.Field != "trace_id" && p.Field != "span_id" {
			out.Warn(fmt.Sprintf("span %d is kept without its %s: %s", p.Record, p.Field, p.Reason))
		}
	}
	check := g.checker(time.Duration(g.maxAge(tenant).Traces))
	good := b.Spans[:0] // the batch is still ours alone
	for i := range b.Spans {
		s := &b.Spans[i]
		if v := check.span(s); v.bad() {
			out.rejectItem(i, "span", v)
			continue
		}
		if good = good[:len(good)+1]; len(good) <= i {
			good[len(good)-1] = *s
		}
	}
	if out.Rejected == 0 {
		return b, nil
	}
	if len(good) == 0 {
		return &telemetry.SpanBatch{}, nil
	}
	again, err := otlp.DecodeSpans(otlp.AppendSpans(make([]byte, 0, len(b.Raw)), good))
	if err != nil {
		return nil, fmt.Errorf("encode the admitted spans: %w", err)
	}
	return again, nil
}
