package send

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"golang.org/x/time/rate"

	"github.com/clewhq/clew/loadtest/workload"
)

// Config says where to and how fast.
type Config struct {
	// Endpoint is the OTLP endpoint over HTTP, without /v1/....
	Endpoint string
	// Signals are what is sent; none means all.
	Signals []Signal
	// Senders is how many requests are under way at once.
	Senders int
	// BatchRecords is how many records one request carries.
	BatchRecords int
	// Rate bounds the records per second over all senders; 0 is no bound.
	Rate int
	// Gzip compresses requests.
	Gzip bool
	// Headers go with every request.
	Headers map[string]string
	// Timeout ends one try.
	Timeout time.Duration
	// RetryInitial is the first pause between tries, RetryMax the longest,
	// and RetryFor how long is paused for one request in all.
	RetryInitial, RetryMax, RetryFor time.Duration
}

// DefaultConfig sends to this host, as fast as the endpoint takes it.
func DefaultConfig() Config {
	return Config{
		Endpoint: "http://127.0.0.1:4318", Senders: 4, BatchRecords: 1000, Gzip: true,
		Timeout: 30 * time.Second, RetryInitial: 100 * time.Millisecond,
		RetryMax: 5 * time.Second, RetryFor: 2 * time.Minute,
	}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	u, err := url.Parse(c.Endpoint)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return fmt.Errorf("endpoint is %q: want a URL such as http://127.0.0.1:4318", c.Endpoint)
	case c.Senders < 1:
		return fmt.Errorf("senders is %d: want at least 1", c.Senders)
	case c.BatchRecords < 1:
		return fmt.Errorf("batch size is %d: want at least 1", c.BatchRecords)
	case c.Rate < 0:
		return fmt.Errorf("rate is %d: want 0 for none, or records per second", c.Rate)
	case c.Timeout <= 0 || c.RetryInitial <= 0 || c.RetryMax < c.RetryInitial || c.RetryFor < 0:
		return fmt.Errorf("timeout %s, retries %s to %s for %s: want positive ones in rising order",
			c.Timeout, c.RetryInitial, c.RetryMax, c.RetryFor)
	}
	return nil
}

// Result is what became of everything that was sent.
type Result struct {
	Requests     int           `json:"requests"`
	Retries      int           `json:"retries"`
	Bytes        int64         `json:"bytes"`
	Logs         int           `json:"logs"`
	Spans        int           `json:"spans"`
	Samples      int           `json:"samples"`
	Rejected     int64         `json:"rejected"` // by partial success
	Failed       int           `json:"failed"`   // records of requests that were refused or given up
	Took         time.Duration `json:"took_ns"`
	FirstErrors  []string      `json:"errors,omitempty"`
	PartialNotes []string      `json:"partial_success_messages,omitempty"`
}

// maxErrorsKept is how many different failures a result names.
const maxErrorsKept = 5

// payload is one encoded request.
type payload struct {
	signal  Signal
	body    []byte
	records int
}

// Run sends the whole workload: requests' spans and logs in order of time,
// by several senders, and the metrics alongside by one, because a series'
// samples have to arrive in order. It returns an error only where it was
// stopped; records that an endpoint did not take stand in the result.
func Run(ctx context.Context, cfg Config, w *workload.Workload, truth *workload.Truth) (Result, error) {
	if err := cfg.Validate(); err != nil {
		return Result{}, fmt.Errorf("read sending settings: %w", err)
	}
	r := &run{cfg: cfg, w: w, client: newClient(cfg), limit: rate.NewLimiter(rate.Inf, 0)}
	if cfg.Rate > 0 {
		r.limit = rate.NewLimiter(rate.Limit(cfg.Rate), max(cfg.BatchRecords, len(truth.Series), cfg.Rate))
	}
	defer r.client.close()
	began := time.Now()
	r.sendAll(ctx, truth)
	r.result.Took = time.Since(began)
	return r.result, ctx.Err()
}

// sends reports whether a signal is sent.
func (c Config) sends(s Signal) bool { return len(c.Signals) == 0 || slices.Contains(c.Signals, s) }

// run is one Run.
type run struct {
	cfg    Config
	w      *workload.Workload
	client *client
	limit  *rate.Limiter

	mu     sync.Mutex
	result Result
}

func (r *run) sendAll(ctx context.Context, truth *workload.Truth) {
	queue := make(chan payload, r.cfg.Senders)
	var wg sync.WaitGroup
	for range r.cfg.Senders {
		wg.Go(func() {
			for p := range queue {
				r.deliver(ctx, p)
			}
		})
	}
	if r.cfg.sends(Metrics) {
		wg.Go(func() { r.sendMetrics(ctx, truth) })
	}
	r.produce(ctx, queue)
	close(queue)
	wg.Wait()
}

// produce encodes the stories in order of time. Senders drain the queue even
// after ctx has ended, so that it never blocks for good.
func (r *run) produce(ctx context.Context, queue chan<- payload) {
	logs, spans := newLogBatch(r.w), newSpanBatch(r.w)
	sendLogs, sendSpans := r.cfg.sends(Logs), r.cfg.sends(Traces)
	for i := 0; i < r.w.Requests() && ctx.Err() == nil; i++ {
		story := r.w.Story(i)
		for s := range story.Spans {
			if !sendSpans {
				break
			}
			if spans.add(&story.Spans[s]); spans.records == r.cfg.BatchRecords {
				r.enqueue(queue, Traces, spans.records, ptraceotlp.NewExportRequestFromTraces(spans.traces))
				spans = newSpanBatch(r.w)
			}
		}
		for _, records := range [][]workload.Log{story.Logs, story.Background} {
			for l := range records {
				if !sendLogs {
					break
				}
				if logs.add(&records[l]); logs.records == r.cfg.BatchRecords {
					r.enqueue(queue, Logs, logs.records, plogotlp.NewExportRequestFromLogs(logs.logs))
					logs = newLogBatch(r.w)
				}
			}
		}
	}
	r.enqueue(queue, Traces, spans.records, ptraceotlp.NewExportRequestFromTraces(spans.traces))
	r.enqueue(queue, Logs, logs.records, plogotlp.NewExportRequestFromLogs(logs.logs))
}

func (r *run) enqueue(queue chan<- payload, signal Signal, records int, request interface{ MarshalProto() ([]byte, error) }) {
	if records == 0 {
		return
	}
	body, err := request.MarshalProto()
	if err != nil {
		r.failed(records, fmt.Errorf("encode %s: %w", signal, err))
		return
	}
	queue <- payload{signal: signal, body: body, records: records}
}

// sendMetrics sends the series step by step.
func (r *run) sendMetrics(ctx context.Context, truth *workload.Truth) {
	if len(truth.Series) == 0 {
		return
	}
	for step := 0; step < len(truth.Series[0].Points) && ctx.Err() == nil; step++ {
		metrics, points := metricsAt(r.w, truth.Series, step)
		body, err := pmetricotlp.NewExportRequestFromMetrics(metrics).MarshalProto()
		if err != nil {
			r.failed(points, fmt.Errorf("encode metrics: %w", err))
			return
		}
		r.deliver(ctx, payload{signal: Metrics, body: body, records: points})
	}
}

// deliver sends one request and notes what became of it.
func (r *run) deliver(ctx context.Context, p payload) {
	if err := r.limit.WaitN(ctx, p.records); err != nil {
		r.failed(p.records, fmt.Errorf("wait for the rate limit: %w", err))
		return
	}
	answer, retries, err := r.client.post(ctx, p.signal, p.body)
	r.mu.Lock()
	r.result.Retries += retries
	r.mu.Unlock()
	if err != nil {
		r.failed(p.records, err)
		return
	}
	rejected, note, err := partialSuccess(p.signal, answer)
	if err != nil {
		r.failed(0, err)
	}
	r.delivered(p, rejected, note)
}

func (r *run) delivered(p payload, rejected int64, note string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Requests++
	r.result.Bytes += int64(len(p.body))
	r.result.Rejected += rejected
	if note != "" && len(r.result.PartialNotes) < maxErrorsKept && !slices.Contains(r.result.PartialNotes, note) {
		r.result.PartialNotes = append(r.result.PartialNotes, note)
	}
	switch p.signal {
	case Logs:
		r.result.Logs += p.records
	case Traces:
		r.result.Spans += p.records
	default:
		r.result.Samples += p.records
	}
}

func (r *run) failed(records int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Failed += records
	if len(r.result.FirstErrors) < maxErrorsKept && !slices.Contains(r.result.FirstErrors, err.Error()) {
		r.result.FirstErrors = append(r.result.FirstErrors, err.Error())
	}
}

// partialSuccess reads how many records an endpoint rejected, and why.
func partialSuccess(signal Signal, answer []byte) (int64, string, error) {
	switch signal {
	case Logs:
		resp := plogotlp.NewExportResponse()
		if err := resp.UnmarshalProto(answer); err != nil {
			return 0, "", fmt.Errorf("read answer to logs: %w", err)
		}
		return resp.PartialSuccess().RejectedLogRecords(), resp.PartialSuccess().ErrorMessage(), nil
	case Traces:
		resp := ptraceotlp.NewExportResponse()
		if err := resp.UnmarshalProto(answer); err != nil {
			return 0, "", fmt.Errorf("read answer to traces: %w", err)
		}
		return resp.PartialSuccess().RejectedSpans(), resp.PartialSuccess().ErrorMessage(), nil
	default:
		resp := pmetricotlp.NewExportResponse()
		if err := resp.UnmarshalProto(answer); err != nil {
			return 0, "", fmt.Errorf("read answer to metrics: %w", err)
		}
		return resp.PartialSuccess().RejectedDataPoints(), resp.PartialSuccess().ErrorMessage(), nil
	}
}
