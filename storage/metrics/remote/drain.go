package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/clewhq/clew/internal/wait"
	"github.com/clewhq/clew/storage/local/wal"
)

// batch is requests of one tenant in the order of the log, joined: the bytes
// of two messages of protobuf, one behind the other, are the message that has
// the repeated fields of both.
type batch struct {
	tenant string
	data   []byte
	end    wal.Position
	bytes  int64 // in the log
}

// drain carries the log to the store until ctx ends.
func (s *Store) drain(ctx context.Context) {
	tail := wal.NewTail(s.queue.fs, s.queue.dir, s.queue.done)
	defer tail.Close()
	var held *wal.Record // read, but of another tenant than the batch before
	for {
		to := tail.Position()
		if held == nil {
			var ok bool
			if to, ok = s.queue.next(ctx, tail.Position()); !ok {
				return
			}
		}
		var b batch
		var err error
		b, held, err = s.collect(tail, to, held)
		if err != nil {
			s.log.Error("the write-ahead log cannot be read; trying again", "err", err)
			if wait.About(ctx, time.Duration(s.cfg.RetryBackoffMax)) != nil {
				return
			}
			continue
		}
		if !s.deliver(ctx, b) {
			return
		}
		s.queue.sent(b.end, b.bytes)
	}
}

// collect joins records up to about batch_bytes. What ends a batch because it
// is another tenant's is returned, for the next one.
func (s *Store) collect(tail *wal.Tail, to wal.Position, held *wal.Record) (batch, *wal.Record, error) {
	b := batch{end: tail.Position()}
	if held != nil {
		s.join(&b, *held, tail)
	}
	for len(b.data) < s.cfg.BatchBytes {
		rec, err := tail.Next(to)
		var bad *wal.CorruptionError
		switch {
		case errors.Is(err, io.EOF):
			b.end = tail.Position()
			return b, nil, nil
		case errors.As(err, &bad):
			s.queue.damaged(bad)
			b.end = tail.Position()
			continue
		case err != nil && len(b.data) > 0:
			return b, nil, nil // these first
		case err != nil:
			return b, nil, err
		}
		if b.tenant != "" && rec.Tenant != b.tenant {
			return b, &rec, nil
		}
		s.join(&b, rec, tail)
	}
	return b, nil, nil
}

func (s *Store) join(b *batch, rec wal.Record, tail *wal.Tail) {
	b.tenant, b.end = rec.Tenant, tail.Position()
	b.bytes += int64(len(rec.Data))
	data, err := snappy.Decode(nil, rec.Data)
	if err != nil || rec.Type != wal.Samples {
		pos := tail.Position()
		s.queue.damaged(&wal.CorruptionError{Dir: s.queue.dir, Segment: wal.FileName(pos.Seq), Offset: pos.Offset, Err: fmt.Errorf("record of type %d: %w", rec.Type, err)})
		return
	}
	b.data = append(b.data, data...)
}

// deliver sends a batch until the store has taken or refused all of it. It
// reports false where ctx ended first.
func (s *Store) deliver(ctx context.Context, b batch) bool {
	if len(b.data) == 0 {
		return true
	}
	a, ok := s.send(ctx, b.tenant, b.data)
	if !ok {
		return false
	}
	var req prompb.WriteRequest
	if err := req.Unmarshal(b.data); err != nil {
		s.queue.damaged(&wal.CorruptionError{Dir: s.queue.dir, Segment: wal.FileName(b.end.Seq), Offset: b.end.Offset, Err: err})
		return true
	}
	if taken(a.code) {
		s.metrics.sent.Add(float64(samples(req.Timeseries)))
		return true
	}
	var out refusals
	ok = s.sift(ctx, b.tenant, req.Timeseries, a, &out)
	out.tell(s.log, b.tenant)
	return ok
}

// refusals are the samples of a batch that the store refused for good. They
// are told of together: a store that is back after hours may find all of them
// too old.
type refusals struct {
	samples int
	first   string // series
	why     answer // of the first
}

func (r *refusals) tell(log *slog.Logger, tenant string) {
	if r.samples > 0 {
		log.Warn("the metrics store refused samples", "tenant", tenant, "samples", r.samples, "first", r.first, "code", r.why.code, "err", r.why.text)
	}
}

// answer is what the store says to a request to write.
type answer struct {
	code int
	text string // why it refuses
}

// sift takes apart what the store refused until what it refuses stands alone.
func (s *Store) sift(ctx context.Context, tenant string, series []prompb.TimeSeries, why answer, out *refusals) bool {
	a, b := halve(series)
	if b == nil {
		n := samples(series)
		s.metrics.refused.WithLabelValues(fmt.Sprint(why.code)).Add(float64(n))
		if n > 0 && out.samples == 0 {
			out.first, out.why = seriesText(series), why
		}
		out.samples += n
		return true
	}
	for _, part := range [][]prompb.TimeSeries{a, b} {
		data, err := (&prompb.WriteRequest{Timeseries: part}).Marshal()
		if err != nil {
			s.log.Error("samples cannot be encoded again and are lost", "tenant", tenant, "err", err)
			continue
		}
		a, ok := s.send(ctx, tenant, data)
		switch {
		case !ok:
			return false
		case taken(a.code):
			s.metrics.sent.Add(float64(samples(part)))
		case !s.sift(ctx, tenant, part, a, out):
			return false
		}
	}
	return true
}

// halve splits series into two parts, and one series into its samples. The
// second part is nil where there is nothing to split.
func halve(series []prompb.TimeSeries) (a, b []prompb.TimeSeries) {
	if n := len(series) / 2; n > 0 {
		return series[:n], series[n:]
	}
	if len(series) == 0 {
		return nil, nil
	}
	one := series[0]
	if n, h := len(one.Samples)/2, len(one.Histograms)/2; n > 0 || h > 0 || len(one.Samples) > 0 && len(one.Histograms) > 0 {
		if n == 0 && h == 0 {
			n = 1 // the sample here, the histogram there
		}
		first := prompb.TimeSeries{Labels: one.Labels, Samples: one.Samples[:n], Histograms: one.Histograms[:h], Exemplars: one.Exemplars}
		rest := prompb.TimeSeries{Labels: one.Labels, Samples: one.Samples[n:], Histograms: one.Histograms[h:]}
		return []prompb.TimeSeries{first}, []prompb.TimeSeries{rest}
	}
	return series, nil
}

func samples(series []prompb.TimeSeries) (n int) {
	for i := range series {
		n += len(series[i].Samples) + len(series[i].Histograms)
	}
	return n
}

func seriesText(series []prompb.TimeSeries) string {
	if len(series) == 0 {
		return ""
	}
	parts := make([]string, len(series[0].Labels))
	for i, l := range series[0].Labels {
		parts[i] = fmt.Sprintf("%s=%q", l.Name, l.Value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func taken(code int) bool { return code < http.StatusMultipleChoices }

// final reports whether a status is about what was sent rather than about the
// store, the way there, or the configuration, which somebody will mend.
func final(code int) bool {
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return taken(code) || code >= http.StatusBadRequest && code < http.StatusInternalServerError
}

// send sends a request until the answer is about it. It reports false where
// ctx ended first.
func (s *Store) send(ctx context.Context, tenant string, data []byte) (a answer, ok bool) {
	body := snappy.Encode(nil, data)
	pause := time.Duration(s.cfg.RetryBackoff)
	for {
		a, err := s.post(ctx, tenant, body)
		if err == nil && final(a.code) {
			return a, true
		}
		if ctx.Err() != nil {
			return a, false
		}
		s.metrics.retries.Inc()
		if wait.About(ctx, pause) != nil {
			return a, false
		}
		pause = min(2*pause, time.Duration(s.cfg.RetryBackoffMax))
	}
}

func (s *Store) post(ctx context.Context, tenant string, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(s.cfg.RequestTimeout))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.writeURL, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("Content-Encoding", "snappy")
	r.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	resp, err := s.caller.as(tenant, s.caller.writes).RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReason))
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	return answer{resp.StatusCode, strings.TrimSpace(string(text))}, err
}

// maxReason is how much is told of what the store says where it refuses.
const maxReason = 1 << 10
